-- Whether somebody has to be told that something is waited for: nobody was, on behalf of any task that waits for the
-- same thing now. Marks them all as told. Grain: one row {told, tasks}. May run twice: the second answers told.
WITH alike AS (
    SELECT attempt, told_at FROM store.waiting WHERE awaited = %(awaited)s AND next_at > now() - interval '1 hour'
), marked AS (
    UPDATE store.waiting w SET told_at = now() FROM alike a
    WHERE w.attempt = a.attempt AND w.awaited = %(awaited)s AND w.told_at IS NULL
)
SELECT count(told_at) > 0 AS told, count(*) AS tasks FROM alike
