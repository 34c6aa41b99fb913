-- Closes what earlier validations said of the keys a validation has looked at again. Grain: a finding. May
-- run twice. Parameters: datasets; days, subjects and instants (NULL: all of the day), pairwise.
UPDATE store.quarantine q SET closed_by = %(validation_id)s
FROM (SELECT DISTINCT subject, day, ts FROM unnest(%(subjects)s::text[], %(days)s::date[], %(instants)s::timestamptz[]) AS k(subject, day, ts)) AS k
WHERE q.dataset = ANY(%(datasets)s::text[]) AND q.day = k.day AND q.subject = k.subject AND (k.ts IS NULL OR q.ts = k.ts) AND q.closed_by IS NULL
  AND q.validation_id <> %(validation_id)s
