-- Closes what earlier validations said of the keys a validation has looked at again. Grain: a finding. May
-- run twice. Parameters: days and subjects, pairwise.
UPDATE store.quarantine q SET closed_by = %(validation_id)s
FROM (SELECT DISTINCT subject, day FROM unnest(%(subjects)s::text[], %(days)s::date[]) AS k(subject, day)) AS k
WHERE q.dataset = %(dataset)s AND q.day = k.day AND q.subject = k.subject AND q.closed_by IS NULL
  AND q.validation_id <> %(validation_id)s
