-- Who asks the exchange for months of a subject takes their locks before, and keeps them until the answer is stored: so of two answers
-- the later one is stored last, and nobody waits who asks for other months. Grain: dataset, subject, month (UTC); one row, taken: whether
-- it has them all. May run twice: a transaction has what it has. In order of time, so that two can't deadlock. Parameters: dataset,
-- subject, begins, ends (timestamptz, [begins, ends)); wait: for whoever has one of them.
SELECT bool_and(CASE WHEN %(wait)s THEN pg_advisory_xact_lock(k.loads, k.month) IS NOT NULL
                     ELSE pg_try_advisory_xact_lock(k.loads, k.month) END) AS taken
FROM generate_series(date_trunc('month', %(begins)s::timestamptz, 'UTC'),
                     greatest(%(begins)s::timestamptz, %(ends)s::timestamptz - interval '1 microsecond'), interval '1 month', 'UTC') AS m(month)
CROSS JOIN LATERAL (SELECT hashtext('load ' || %(dataset)s) AS loads,
                           hashtext(%(subject)s || to_char(m.month AT TIME ZONE 'UTC', ' YYYY-MM')) AS month) AS k
