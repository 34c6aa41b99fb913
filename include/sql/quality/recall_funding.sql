-- As recall_candles, an hour at a time. Grain: instrument, hour end. May run twice.
UPDATE store.funding_rate t SET validation_id = NULL
FROM unnest(%(instrument_ids)s::integer[], %(hours)s::timestamptz[], %(load_ids)s::bigint[]) AS k(instrument_id, ts, load_id)
WHERE t.instrument_id = k.instrument_id AND t.ts = k.ts AND t.load_id = k.load_id AND t.validation_id IS NOT NULL
