-- Finds what is kept of loads of before a moment of which no version is left. Grain: load. May run twice, on an empty stage. Parameters:
-- before.
INSERT INTO unnamed_record (id)
SELECT l.version_id
FROM store.ingestion l
WHERE l.loaded_at < %(before)s AND NOT EXISTS (SELECT FROM ({named}) AS n(id) WHERE n.id = l.version_id)
