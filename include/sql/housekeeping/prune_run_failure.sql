-- Deletes what tasks that failed for good said before a moment. Grain: a task of a run. May run twice: then it is the next ones.
-- Parameters: before, most (so many at a time).
DELETE FROM store.run_failure WHERE ctid = ANY(ARRAY(SELECT ctid FROM store.run_failure WHERE failed_at < %(before)s LIMIT %(most)s))
