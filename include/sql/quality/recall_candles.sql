-- Takes back published versions that a later validation holds back. Grain: instrument-day. May run twice. They
-- leave the views at once, and stay to be looked at.
UPDATE store.candle_day t SET validation_id = NULL
FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(load_ids)s::bigint[]) AS k(instrument_id, day, load_id)
WHERE t.instrument_id = k.instrument_id AND t.day = k.day AND t.load_id = k.load_id AND t.validation_id IS NOT NULL
