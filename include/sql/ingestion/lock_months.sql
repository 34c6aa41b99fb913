-- Who asks the exchange for months of a subject takes their locks before, and keeps them until the answer is stored: so of two answers
-- the later one is stored last, and nobody waits who asks for other months. Grain: dataset, subject, month (UTC). May run twice: a
-- transaction doesn't wait for itself. In order of time, so that two can't deadlock. Parameters: dataset, subject, begins, ends
-- (timestamptz, [begins, ends)).
SELECT pg_advisory_xact_lock(hashtext('load ' || %(dataset)s), hashtext(%(subject)s || to_char(month AT TIME ZONE 'UTC', ' YYYY-MM')))
FROM generate_series(date_trunc('month', %(begins)s::timestamptz, 'UTC'),
                     greatest(%(begins)s::timestamptz, %(ends)s::timestamptz - interval '1 microsecond'), interval '1 month', 'UTC') AS month
