-- Counts requests of a bucket that went out without a slot, because there was no database to reserve one. Grain: bucket. May run twice:
-- a window has no more room by that. Parameters: bucket, sent_at (ms since 1970).
INSERT INTO store.rate_limit AS p (bucket, slots)
SELECT %(bucket)s, array_agg(to_timestamp(m / 1000.0) ORDER BY m) FROM unnest(%(sent_at)s::bigint[]) AS m
ON CONFLICT (bucket) DO UPDATE SET slots = ARRAY(SELECT m FROM unnest(p.slots || excluded.slots) AS m ORDER BY m)
