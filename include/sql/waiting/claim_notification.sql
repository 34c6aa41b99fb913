-- Whether a message about a wait was already sent for any task that waits for the same thing now. Marks them all as notified. Grain:
-- one row {notified, tasks}. May run twice: the second time it returns notified.
WITH alike AS (
    SELECT attempt, notified_at FROM store.waiting WHERE awaited = %(awaited)s AND next_at > now() - interval '1 hour'
), marked AS (
    UPDATE store.waiting w SET notified_at = now() FROM alike a
    WHERE w.attempt = a.attempt AND w.awaited = %(awaited)s AND w.notified_at IS NULL
)
SELECT count(notified_at) > 0 AS notified, count(*) AS tasks FROM alike
