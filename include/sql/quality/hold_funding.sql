-- As hold_candles, an hour at a time. Grain: instrument, hour end. May run twice.
UPDATE store.funding_rate t SET validation_id = NULL
FROM unnest(%(instrument_ids)s::integer[], %(hours)s::timestamptz[], %(version_ids)s::bigint[]) AS k(instrument_id, ts, version_id)
WHERE t.instrument_id = k.instrument_id AND t.ts = k.ts AND t.version_id = k.version_id AND t.validation_id IS NOT NULL
