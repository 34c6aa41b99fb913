-- Deletes a slice of what is kept of loads of which no version is left. Grain: load. May run twice. Parameters: slice.
DELETE FROM store.ingestion l USING unnamed_record u WHERE u.slice = %(slice)s AND l.version_id = u.id
