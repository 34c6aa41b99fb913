-- The locks of lock_months.sql, if all of them are free. Grain: dataset, subject, month (UTC). May run twice: a transaction has what it
-- has. Parameters: dataset, subject, begins, ends (timestamptz, [begins, ends)).
SELECT bool_and(pg_try_advisory_xact_lock(hashtext('load ' || %(dataset)s),
                                          hashtext(%(subject)s || to_char(month AT TIME ZONE 'UTC', ' YYYY-MM')))) AS taken
FROM generate_series(date_trunc('month', %(begins)s::timestamptz, 'UTC'),
                     greatest(%(begins)s::timestamptz, %(ends)s::timestamptz - interval '1 microsecond'), interval '1 month', 'UTC') AS month
