-- One loader at a time for a dataset and instrument; let go at the end of the transaction. Grain: dataset, subject.
-- May run twice: a transaction doesn't wait for itself.
SELECT pg_advisory_xact_lock(hashtext('load ' || %(dataset)s), hashtext(%(subject)s))
