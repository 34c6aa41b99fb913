-- Forgets what was found of another table. Grain: record. May run twice.
TRUNCATE unnamed_record
