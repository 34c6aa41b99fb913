-- Says of published days what their level was checked against when they were validated last. Grain: instrument-day. May run
-- twice. Parameters: instrument_ids, days, version_ids, what, pairwise.
UPDATE store.candle_day t SET reference = k.reference
FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(version_ids)s::bigint[], %(what)s::text[]) AS k(instrument_id, day, version_id, reference)
WHERE t.instrument_id = k.instrument_id AND t.day = k.day AND t.version_id = k.version_id AND t.validation_id IS NOT NULL
  AND t.reference IS DISTINCT FROM k.reference
