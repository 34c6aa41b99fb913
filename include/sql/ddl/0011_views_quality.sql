-- What is held back right now, and why.
CREATE VIEW quarantined AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id
    FROM store.quarantine q JOIN store.validation v USING (validation_id)
    WHERE q.closed_by IS NULL AND q.severity = 'critical' AND q.waived_reason IS NULL;

-- Everything a rule ever had to say, warnings, waivers and closed cases included.
CREATE VIEW quality_findings AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id, q.closed_by, q.closed_by IS NULL AS is_open
    FROM store.quarantine q JOIN store.validation v USING (validation_id);

-- Tasks that wait for something that will come and are asked again by themselves: what for, since when, and what the
-- last asking brought.
CREATE VIEW waiting AS
    SELECT dag_id, run_id, task_id, map_index, label, awaited, since, asked_at, next_at, cause
    FROM store.waiting WHERE next_at > now() - interval '1 hour';

CREATE VIEW validations AS
    SELECT validation_id, dataset, dag_id, run_id, interval_from, interval_to, validated_at, verdict, suite,
           rows_checked, minutes AS expected, missing, blocked_because
    FROM store.validation;

-- Expected, present and published minutes of every instrument and month. Expected is what its life, from
-- listing to expiry, has of the month up to now; present is in the newest version of each day. Months in which
-- nothing of an instrument was loaded yet are not listed: see the history DAG's runs.
CREATE VIEW coverage AS
    SELECT i.instrument, i.settlement_period, c.month, e.minutes, c.present, e.minutes - c.present AS missing,
           c.published_days, c.published_minutes
    FROM (SELECT instrument_id, date_trunc('month', day::timestamp)::date AS month,
                 sum(present) FILTER (WHERE is_newest) AS present,
                 count(validation_id) AS published_days, coalesce(sum(present) FILTER (WHERE validation_id IS NOT NULL), 0) AS published_minutes
          FROM (SELECT instrument_id, day, present, validation_id,
                       lead(load_id) OVER (PARTITION BY instrument_id, day ORDER BY load_id) IS NULL AS is_newest
                FROM store.candle_day) AS versions
          GROUP BY 1, 2) AS c
    -- by its key: a join would read the whole catalogue, options and all
    CROSS JOIN LATERAL (SELECT * FROM store.instrument WHERE instrument_id = c.instrument_id LIMIT 1) AS i
    CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM least((c.month + interval '1 month') AT TIME ZONE 'UTC', i.expires_at, date_trunc('minute', now()))
                            - greatest(c.month::timestamp AT TIME ZONE 'UTC', date_trunc('minute', i.listed_at))) / 60)::bigint AS minutes) AS e;

-- Where every version of every instrument-day came from.
CREATE VIEW provenance AS
    SELECT i.instrument, c.day, c.load_id, l.dataset, l.host, l.run_id, l.loaded_at, c.validation_id, v.validated_at,
           v.run_id AS validated_by_run, c.present, c.n AS minutes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id) JOIN store.load l USING (load_id)
    LEFT JOIN store.validation v USING (validation_id);
