-- The lifetimes of the collected currencies' futures and perpetuals, and how much of each counts: from where the currency is
-- collected to the end of the last closed month.
CREATE VIEW store.collected_lifetime AS
    SELECT l.*, greatest(l.begins, c.since) AS counts_from, least(l.ends, date_trunc('month', now(), 'UTC')) AS counts_to
    FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency;

-- Of which part of each future's life there should be a basis: of what it lived beside a perpetual, from where its currency is
-- collected to the end of the last closed month.
CREATE VIEW store.basis_lifetime AS
    SELECT f.instrument_id, f.label, f.settlement_period,
           greatest(f.listed_at, c.since,
                    min(greatest(f.perpetual_begins, f.from_day::timestamp AT TIME ZONE 'UTC'))) AS counts_from,
           least(f.ends, date_trunc('month', now(), 'UTC'),
                 max(least(f.perpetual_ends, f.past_day::timestamp AT TIME ZONE 'UTC'))) AS counts_to
    FROM store.future f JOIN store.collected c ON c.currency = f.settlement_currency
    GROUP BY f.instrument_id, f.label, f.settlement_period, f.listed_at, f.ends, c.since;

-- The months from that of "first" to that of "last" in which there should be snapshots of a dataset, [begins, ends), each once for every
-- length its beats had in it.
CREATE FUNCTION store.beat_months(dataset text, first timestamptz, last timestamptz)
RETURNS TABLE (month date, seconds integer, length interval, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.at::date, b.seconds, make_interval(secs => b.seconds), greatest(b.begins, m.begins), least(b.ends, m.ends)
    FROM (SELECT m.at, m.at AT TIME ZONE 'UTC' AS begins, (m.at + interval '1 month') AT TIME ZONE 'UTC' AS ends
          FROM generate_series(date_trunc('month', first AT TIME ZONE 'UTC'), last AT TIME ZONE 'UTC', interval '1 month') AS m(at)) AS m
    JOIN store.snapshot_beat b ON b.dataset = beat_months.dataset AND b.begins < m.ends AND b.ends > m.begins
$$;

-- Expected, present and published minutes (funding and volatility: hours) of every dataset, instrument (index_prices: index) and
-- closed month. Expected is what its lifetime has of the month, by the catalogue and the collected currencies, whether anything
-- of it was ever loaded or not; present is in the newest version of each day. unreferenced_days are published though there
-- was nothing to check their level against. loadable: a run of the dataset's DAG brings it. was_fetched: the exchange has answered for
-- all of it, rows or none, as far as that is recorded (fetched_as).
CREATE VIEW store.month_coverage AS
    WITH expected AS (
{datasets/*/expected}
    ), months AS (
        SELECT e.kind, e.dataset, e.subject, e.instrument, e.settlement_period, e.loadable, e.fetched_as, m.at::date AS month, w.begins, w.ends,
               (extract(epoch FROM w.ends - w.begins) / e.seconds)::bigint AS minutes
        FROM expected e
        CROSS JOIN LATERAL generate_series(date_trunc('month', e.begins AT TIME ZONE 'UTC'),
                                           e.ends AT TIME ZONE 'UTC' - interval '1 minute', interval '1 month') AS m(at)
        CROSS JOIN LATERAL (SELECT greatest(e.begins, m.at AT TIME ZONE 'UTC') AS begins,
                                   least(e.ends, (m.at + interval '1 month') AT TIME ZONE 'UTC') AS ends) AS w
        WHERE e.begins < e.ends
    ), stored AS (
        SELECT kind, subject, month, sum(present)::bigint AS present,
               sum(published_minutes)::bigint AS published_minutes, sum(unreferenced_days)::bigint AS unreferenced_days
        FROM (
{datasets/*/stored}
        ) AS parts GROUP BY kind, subject, month
    )
    SELECT m.dataset, m.instrument, m.settlement_period, m.month, m.minutes, coalesce(s.present, 0) AS present,
           m.minutes - coalesce(s.present, 0) AS missing,
           coalesce(s.published_minutes, 0) AS published_minutes, coalesce(s.unreferenced_days, 0) AS unreferenced_days, m.loadable,
           CASE WHEN m.fetched_as IS NULL THEN false
                ELSE store.was_fetched(m.subject::integer, m.fetched_as, m.begins, m.ends) END AS was_fetched
    FROM months m LEFT JOIN stored s USING (kind, subject, month);

CREATE VIEW coverage AS
    SELECT dataset, instrument, settlement_period, month, minutes, present, missing, published_minutes, unreferenced_days
    FROM store.month_coverage;

-- Months of which something is expected that a run brings, and of an instrument nothing is published and nothing is held back:
-- never loaded, or taken back since. A month of which the exchange has answered that it has nothing is loaded: no run brings more of it,
-- as where a contract that was listed on a month's last day was first traded on the next.
CREATE VIEW unloaded AS
    SELECT c.dataset, c.month, array_agg(c.instrument ORDER BY c.instrument) AS instruments
    FROM store.month_coverage c
    WHERE c.loadable AND c.published_minutes = 0 AND NOT (c.present = 0 AND c.was_fetched)
      AND NOT EXISTS (SELECT FROM store.quarantine q
                      WHERE q.dataset = c.dataset AND q.subject = c.instrument AND q.closed_by IS NULL
                        AND q.day >= c.month AND q.day < (c.month + interval '1 month')::date)
    GROUP BY c.dataset, c.month;
