-- One loader at a time for a dataset and instrument; let go at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('load ' || %(dataset)s), hashtext(%(subject)s))
