-- Closes everything earlier validations of a dataset said, for the newest has looked at all of it. Grain: a finding. May
-- run twice.
UPDATE store.quarantine SET closed_by = %(validation_id)s
WHERE dataset = %(dataset)s AND closed_by IS NULL AND validation_id <> %(validation_id)s
