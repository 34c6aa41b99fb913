-- The newest validation there is. Reads only.
SELECT coalesce(max(validation_id), 0) AS validation_id FROM store.validation
