-- Deletes what tasks that failed for good said before a moment. Grain: a task of a run. May run twice. Parameters: before.
DELETE FROM store.run_failure WHERE failed_at < %(before)s
