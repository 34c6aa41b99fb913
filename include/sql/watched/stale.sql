-- What is past its error target, by dataset and coin, and whether an open incident says so already: an exchange that is away (the
-- dataset's DAG has not run well since, or its tasks wait), or a run or a gate of the interval that lacks, which somebody has to
-- start again. Grain: dataset, coin. Reads only. Parameters: datasets and dag_ids: the datasets and the DAG of each; waiting: what
-- stands of an incident for the tasks that wait.
WITH going_on AS (
    SELECT f.dataset, d.dag_id, upper(coalesce(substring(f.instrument FROM '^[[:alnum:]]+'), '')) AS coin, f.instrument,
           f.state = 'stale' AS stale, f.newest, f.due_at, to_char(f.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS due
    FROM store.freshness f
    JOIN unnest(%(datasets)s::text[], %(dag_ids)s::text[]) AS d(dataset, dag_id) ON d.dataset = f.dataset
    WHERE f.ends > now()
)
SELECT g.dataset, g.dag_id, g.coin, count(*) FILTER (WHERE g.stale) AS stale, count(*) AS instruments,
       (array_agg(g.instrument ORDER BY g.due_at, g.instrument) FILTER (WHERE g.stale))[1:3] AS behind,
       max(g.newest) FILTER (WHERE g.stale) AS newest, min(g.due_at) FILTER (WHERE g.stale) AS due_at,
       bool_and(EXISTS (
           SELECT FROM store.incident i
           WHERE i.resolved_at IS NULL
             AND (i.kind = 'wait'
                  AND (g.dag_id = ANY (i.stands)
                       OR %(waiting)s::text = ANY (i.stands)
                          AND EXISTS (SELECT FROM store.waiting w WHERE w.awaited = i.dataset AND w.dag_id = g.dag_id AND w.next_at > now() - interval '1 hour'))
                  OR i.kind IN ('failure', 'blocked') AND i.dataset = g.dataset
                     AND EXISTS (SELECT FROM unnest(i.stands) AS s WHERE split_part(s, '/', 1) < g.due AND g.due <= split_part(s, '/', 2)))
       )) FILTER (WHERE g.stale) AS told
FROM going_on g
GROUP BY g.dataset, g.dag_id, g.coin
HAVING bool_or(g.stale)
ORDER BY g.dataset, g.coin
