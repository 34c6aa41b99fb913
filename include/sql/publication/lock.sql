-- Waits for a lock of publication and keeps it to the end of the transaction: alone, or together with others that share it.
-- Grain: a lock. May run twice: a transaction doesn't wait for itself. Parameters: what, shared.
SELECT CASE WHEN %(shared)s THEN pg_advisory_xact_lock_shared(hashtext('publication'), hashtext(%(what)s))
            ELSE pg_advisory_xact_lock(hashtext('publication'), hashtext(%(what)s)) END
