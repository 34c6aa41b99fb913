-- As publish_candles, an hour at a time. Grain: instrument, hour end. May run twice.
WITH passed AS (
    SELECT t.instrument_id, t.ts, t.version_id
    FROM unnest(%(instrument_ids)s::integer[], %(hours)s::timestamptz[], %(version_ids)s::bigint[]) AS k(instrument_id, ts, version_id)
    JOIN store.funding_rate t USING (instrument_id, ts, version_id)
    WHERE t.validation_id IS NULL
    ORDER BY t.instrument_id, t.ts FOR UPDATE OF t
), replaced AS (
    DELETE FROM store.funding_rate t USING passed p
    WHERE t.instrument_id = p.instrument_id AND t.ts = p.ts AND t.version_id < p.version_id
    RETURNING t.version_id
)
UPDATE store.funding_rate t SET validation_id = %(validation_id)s
-- counting them makes the deletion come first: only one version of a key can be published
FROM passed p, (SELECT count(*) FROM replaced) AS gone
WHERE t.instrument_id = p.instrument_id AND t.ts = p.ts AND t.version_id = p.version_id
