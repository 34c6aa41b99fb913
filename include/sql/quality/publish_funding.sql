-- As publish_candles, an hour at a time. Grain: instrument, hour end.
WITH passed AS (
    SELECT instrument_id, ts, load_id
    FROM unnest(%(instrument_ids)s::integer[], %(hours)s::timestamptz[], %(load_ids)s::bigint[]) AS k(instrument_id, ts, load_id)
), replaced AS (
    DELETE FROM store.funding_rate t USING passed p
    WHERE t.instrument_id = p.instrument_id AND t.ts = p.ts AND t.load_id < p.load_id
)
UPDATE store.funding_rate t SET validation_id = %(validation_id)s
FROM passed p
WHERE t.instrument_id = p.instrument_id AND t.ts = p.ts AND t.load_id = p.load_id AND t.validation_id IS NULL
