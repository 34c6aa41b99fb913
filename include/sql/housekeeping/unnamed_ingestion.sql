-- Finds what is kept of loads of before a moment of which no version is left. Grain: load. May run twice, on an empty stage. Parameters:
-- before, most (so many a slice).
INSERT INTO unnamed_record (slice, id)
SELECT (row_number() OVER (ORDER BY l.version_id) - 1) / %(most)s, l.version_id
FROM store.ingestion l
WHERE l.loaded_at < %(before)s AND NOT EXISTS (SELECT FROM ({named}) AS n(id) WHERE n.id = l.version_id)
