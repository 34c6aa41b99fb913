-- The records that nothing names any more, in slices to delete. Grain: record. May run twice: it is the session's own, and stays when
-- a slice of it is committed.
CREATE TEMPORARY TABLE IF NOT EXISTS unnamed_record (slice bigint, id bigint, PRIMARY KEY (slice, id))
