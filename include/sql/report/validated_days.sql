-- What came of the newest days of each dataset of snapshots or open days, for the data docs: a page each, and not one a beat. A
-- validation is of the day in which its interval ends. Grain: dataset, day. Reads only. Parameters: snapshots (names), keep (days).
WITH validated AS (
    SELECT v.*, (greatest(v.interval_from, v.interval_to - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day,
           (SELECT count(DISTINCT (q.subject, q.ts)) FROM store.quarantine q
            WHERE q.validation_id = v.validation_id AND q.severity = 'critical' AND q.waived_reason IS NULL) AS quarantined
    FROM store.validation v WHERE v.dataset = ANY (%(snapshots)s::text[])
), counted AS (
    SELECT dataset, day, outcome, count(*) AS number FROM validated GROUP BY 1, 2, 3
), days AS (
    SELECT dataset, day, max(suite) AS suite, max(validated_at) AS validated_at, sum(rows_checked)::bigint AS rows, sum(quarantined)::bigint AS quarantined,
           coalesce(jsonb_agg(result ORDER BY validation_id) FILTER (WHERE result IS NOT NULL), '[]') AS results,
           row_number() OVER (PARTITION BY dataset ORDER BY day DESC) AS place
    FROM validated GROUP BY dataset, day
)
SELECT d.dataset, d.day, d.suite, d.validated_at, d.rows, d.quarantined, d.results,
       (SELECT jsonb_object_agg(c.outcome, c.number) FROM counted c WHERE c.dataset = d.dataset AND c.day = d.day) AS outcomes
FROM days d WHERE d.place <= %(keep)s ORDER BY d.dataset, d.day
