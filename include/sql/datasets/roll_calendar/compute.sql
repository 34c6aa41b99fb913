-- Rolls every series where it is to be rolled: adds a version where the newest one of a roll is not what follows from what is
-- published now, or was withdrawn, and drops what was never decided on in its place. The price of both legs is that of the
-- last minute before the roll that is fresh in both, of the day before it.
-- Grain: contract rolled to, series. May run twice: an equal roll writes nothing. Parameters: from, to (dates or NULL:
-- everything), dataset, subject, host, run_id.
WITH due AS MATERIALIZED (
    SELECT * FROM store.rolls_due(%(from)s::date, %(to)s::date)
), replaced AS (
    DELETE FROM store.roll r USING due d
    WHERE r.instrument_id = d.instrument_id AND r.rule = d.rule AND r.eligible = d.eligible AND r.rank = d.rank
      AND r.state IN ('pending', 'held', 'withdrawn') AND isempty(r.shown)
), computed AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, count(*), 0, 0 FROM due HAVING count(*) > 0
    RETURNING version_id
)
INSERT INTO store.roll (instrument_id, rule, eligible, rank, version_id, day, skipped, from_instrument_id, from_version_id, to_version_id,
                        from_turnover, to_turnover, price_at, from_close, to_close)
SELECT d.instrument_id, d.rule, d.eligible, d.rank, n.version_id, d.day, d.skipped, d.from_instrument_id, d.from_version_id, d.to_version_id,
       f.turnover, t.turnover,
       CASE WHEN p.priced THEN (d.day - 1)::timestamp AT TIME ZONE 'UTC' + m.minute * interval '1 minute' END,
       CASE WHEN p.priced THEN c.from_close END, CASE WHEN p.priced THEN c.to_close END
FROM due d CROSS JOIN computed n
-- each by its key and no other way (LIMIT 1)
LEFT JOIN LATERAL (SELECT v.first_minute, v.fresh, v.close, v.turnover FROM store.candle_day v
                   WHERE v.instrument_id = d.from_instrument_id AND v.day = d.day - 1 AND v.version_id = d.from_version_id LIMIT 1) AS f ON true
LEFT JOIN LATERAL (SELECT v.first_minute, v.fresh, v.close, v.turnover FROM store.candle_day v
                   WHERE v.instrument_id = d.instrument_id AND v.day = d.day - 1 AND v.version_id = d.to_version_id LIMIT 1) AS t ON true
-- the last of the bits that are set in both; -1: none is
CROSS JOIN LATERAL (SELECT length(rtrim((f.fresh & t.fresh)::text, '0')) - 1 AS minute OFFSET 0) AS m
CROSS JOIN LATERAL (SELECT store.price(f.close[m.minute - f.first_minute + 1]) AS from_close,
                           store.price(t.close[m.minute - t.first_minute + 1]) AS to_close OFFSET 0) AS c
CROSS JOIN LATERAL (SELECT m.minute >= 0 AND c.from_close IS NOT NULL AND c.to_close IS NOT NULL AS priced) AS p
ORDER BY d.instrument_id, d.rule, d.eligible, d.rank
