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
    SELECT validation_id, dataset, dag_id, run_id, interval_from, interval_to, validated_at, outcome, suite,
           rows_checked, minutes AS expected, missing, blocked_because, suite_digest
    FROM store.validation;

-- Where every version of every dataset came from, and what became of it (the states: table store.candle_day).
CREATE VIEW provenance AS
    SELECT p.dataset, p.instrument, p.day, p.ts, p.version_id, l.host, l.run_id, l.loaded_at, p.state::text AS state, p.validation_id,
           v.validated_at, v.run_id AS validated_by_run, p.present, p.expected
    FROM (
{datasets/*/provenance}
    ) AS p JOIN store.ingestion l USING (version_id) LEFT JOIN store.validation v USING (validation_id);

-- What was published and then replaced by something else: every value of a minute (funding, volatility: of an hour) that
-- differs between a version that was once shown and the next one that was, and when that was published. old is NULL where a value
-- that was missing came later, new where a day was cut to a lifetime that was learned later. What was taken back and not
-- replaced is no correction: its findings are in quality_findings, the versions themselves in provenance.
CREATE VIEW corrections AS
{datasets/*/corrections};

-- The versions of days that something computed still names: they are read for it, and so kept.
CREATE VIEW store.computed_from_candle_day AS
    SELECT instrument_id, day, future_version_id AS version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.index_day;
