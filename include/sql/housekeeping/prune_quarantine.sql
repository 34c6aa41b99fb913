-- Deletes findings that were closed before a moment. What is open stays, however old. Grain: a finding. May run twice: then it is the
-- next ones. Parameters: before, most (so many at a time).
DELETE FROM store.quarantine WHERE ctid = ANY(ARRAY(
    SELECT q.ctid FROM store.quarantine q JOIN store.validation v ON v.validation_id = q.closed_by
    WHERE v.validated_at < %(before)s LIMIT %(most)s))
