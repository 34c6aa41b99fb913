-- Says which index days a validation looked at, and publishes those that passed. Grain: index, day. May run twice.
UPDATE store.index_day t SET validation_id = %(validation_id)s, published = k.passed
FROM unnest(%(subjects)s::text[], %(days)s::date[], %(passed)s::boolean[]) AS k(index_name, day, passed)
WHERE t.index_name = k.index_name AND t.day = k.day AND (t.validation_id IS NULL OR t.published <> k.passed)
