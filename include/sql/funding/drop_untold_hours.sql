-- Drops rows off the hour that were never published and that the exchange, asked again, does not tell any more: those within
-- the hours that are staged. Grain: instrument, hour end, version. May run twice. Rows are locked in the order of their keys.
WITH outdated AS (
    SELECT t.instrument_id, t.ts, t.version_id
    FROM (SELECT instrument_id, min(ts) AS first, max(ts) AS last FROM funding_rate_stage GROUP BY instrument_id) AS span
    JOIN store.funding_rate t ON t.instrument_id = span.instrument_id AND t.ts BETWEEN span.first AND span.last + interval '1 hour'
    LEFT JOIN funding_rate_stage s ON s.instrument_id = t.instrument_id AND s.ts = t.ts
    WHERE t.state IN ('pending', 'held') AND isempty(t.shown) AND s.ts IS NULL AND t.ts <> date_trunc('hour', t.ts, 'UTC')
    ORDER BY t.instrument_id, t.ts, t.version_id FOR UPDATE OF t
)
DELETE FROM store.funding_rate t USING outdated o
WHERE t.instrument_id = o.instrument_id AND t.ts = o.ts AND t.version_id = o.version_id
