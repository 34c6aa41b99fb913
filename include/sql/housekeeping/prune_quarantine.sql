-- Deletes findings that were closed before a moment. What is open stays, however old. Grain: a finding. May run twice. Parameters: before.
DELETE FROM store.quarantine q USING store.validation v
WHERE v.validation_id = q.closed_by AND v.validated_at < %(before)s
