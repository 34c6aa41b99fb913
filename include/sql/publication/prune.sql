-- Deletes versions that were replaced, or taken back and followed by another version, longer ago than they are kept; those
-- that were never shown at once. A version that something computed still names stays. Grain: a
-- version. May run twice: then it is the next ones. Parameters: kept_from, most (so many versions at a time).
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT t.ctid FROM {table} t
    WHERE t.state IN ('held', 'superseded', 'withdrawn')
      AND (t.state <> 'held' OR EXISTS (SELECT FROM {table} n WHERE {same_n_t} AND n.version_id > t.version_id))
      AND (isempty(t.shown)
           OR EXISTS (SELECT FROM store.validation v WHERE v.validation_id = t.validation_id AND v.validated_at < %(kept_from)s))
      AND {unnamed}
    LIMIT %(most)s))
