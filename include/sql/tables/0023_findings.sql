-- A minute or a beat is looked at again by many runs: what they find again is one row, and how many of them have found it is counted.
ALTER TABLE store.quarantine ADD COLUMN times integer NOT NULL DEFAULT 1;

-- for whether an instant before it had the same finding
CREATE INDEX quarantine_instant ON store.quarantine (dataset, subject, rule, ts) WHERE ts IS NOT NULL;
