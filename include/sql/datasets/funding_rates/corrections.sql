-- Every value of an hour that differs between a version that was once shown and the next one that was, and when that was
-- published. Grain: key, field. Reads only.
SELECT 'funding_rates' AS dataset, i.label AS instrument, (o.ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date AS day, o.ts,
       u.field, u.old, u.new, v.validated_at AS corrected_at, v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.funding_rate o
JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL (SELECT c.* FROM store.funding_rate c
                    WHERE c.instrument_id = o.instrument_id AND c.ts = o.ts AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
CROSS JOIN LATERAL (VALUES ('interest_1h', o.interest_1h, n.interest_1h), ('interest_8h', o.interest_8h, n.interest_8h),
                           ('index_price', o.index_price, n.index_price), ('prev_index_price', o.prev_index_price, n.prev_index_price))
    AS u(field, old, new)
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND u.old IS DISTINCT FROM u.new
