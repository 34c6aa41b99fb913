-- The records that nothing names any more and that are to be deleted. Grain: record. May run twice: it is the session's own, and what is
-- left in it stays when some of them are deleted.
CREATE TEMPORARY TABLE IF NOT EXISTS unnamed_record (id bigint PRIMARY KEY)
