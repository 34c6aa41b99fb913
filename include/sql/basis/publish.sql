-- Says which pairs a validation looked at, and publishes those that passed. Grain: future, day. May run twice.
UPDATE store.basis_day t SET validation_id = %(validation_id)s, published = k.passed
FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(passed)s::boolean[]) AS k(instrument_id, day, passed)
WHERE t.instrument_id = k.instrument_id AND t.day = k.day AND (t.validation_id IS NULL OR t.published <> k.passed)
