-- Deletes some of the validations that were found to be named by nothing. Grain: validation. May run twice: then it is the next ones.
-- Parameters: most (so many at a time).
WITH taken AS (DELETE FROM unnamed_record WHERE id IN (SELECT id FROM unnamed_record ORDER BY id LIMIT %(most)s) RETURNING id)
DELETE FROM store.validation r USING taken WHERE r.validation_id = taken.id
