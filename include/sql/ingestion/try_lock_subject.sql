-- The lock of lock_subject.sql, if it is free. Grain: dataset, subject. May run twice: a transaction has what it has.
SELECT pg_try_advisory_xact_lock(hashtext('load ' || %(dataset)s), hashtext(%(subject)s)) AS taken
