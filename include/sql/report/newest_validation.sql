-- The newest validation there is. Grain: the database. Reads only.
SELECT coalesce(max(validation_id), 0) AS validation_id FROM store.validation
