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

CREATE VIEW validations AS
    SELECT validation_id, dataset, dag_id, run_id, interval_from, interval_to, validated_at, verdict, suite,
           rows_checked, minutes AS expected, missing, blocked_because
    FROM store.validation;

-- Expected, loaded and published minutes of every instrument and month, from its listing to its expiry.
-- Months in which nothing of an instrument was loaded yet are not listed: see the history DAG's runs.
CREATE VIEW coverage AS
    SELECT i.instrument, i.settlement_period, date_trunc('month', c.day)::date AS month,
           sum(c.n)::bigint AS minutes, sum(c.present)::bigint AS present, sum(c.n - c.present)::bigint AS missing,
           count(*) FILTER (WHERE c.validation_id IS NOT NULL) AS published_days,
           coalesce(sum(c.present) FILTER (WHERE c.validation_id IS NOT NULL), 0)::bigint AS published_minutes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
    WHERE c.load_id = (SELECT max(newer.load_id) FROM store.candle_day newer
                       WHERE newer.instrument_id = c.instrument_id AND newer.day = c.day)
    GROUP BY 1, 2, 3;

-- Where every version of every instrument-day came from.
CREATE VIEW provenance AS
    SELECT i.instrument, c.day, c.load_id, l.dataset, l.host, l.run_id, l.loaded_at, c.validation_id, v.validated_at,
           v.run_id AS validated_by_run, c.present, c.n AS minutes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id) JOIN store.load l USING (load_id)
    LEFT JOIN store.validation v USING (validation_id);
