-- The rows that are held back now, and the rules they break.
CREATE VIEW quarantined AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id
    FROM store.quarantine q JOIN store.validation v USING (validation_id)
    WHERE q.closed_by IS NULL AND q.severity = 'critical' AND q.waived_reason IS NULL;

-- All findings that are kept: broken rules, warnings and waived rules, open or closed.
CREATE VIEW quality_findings AS
    SELECT q.dataset, q.subject AS instrument, q.day, q.ts, q.rule, q.severity, q.observed, q.waived_reason,
           q.validation_id, v.validated_at, v.dag_id, v.run_id, q.closed_by, q.closed_by IS NULL AS is_open, q.times
    FROM store.quarantine q JOIN store.validation v USING (validation_id);

-- Tasks that wait and will be started again by themselves: what they wait for, since when, and why the last try did not succeed.
CREATE VIEW waiting AS
    SELECT dag_id, run_id, task_id, map_index, label, awaited, since, asked_at, next_at, cause
    FROM store.waiting WHERE next_at > now() - interval '1 hour';

CREATE VIEW validations AS
    SELECT validation_id, dataset, dag_id, run_id, interval_from, interval_to, validated_at, outcome, suite,
           rows_checked, minutes AS expected, missing, blocked_because, suite_digest
    FROM store.validation;

-- The origin of every version of every dataset, and its state (explained at the table store.candle_day).
CREATE VIEW provenance AS
    SELECT p.dataset, p.instrument, p.day, p.ts, p.version_id, l.host, l.run_id, l.loaded_at, p.state::text AS state, p.validation_id,
           v.validated_at, v.run_id AS validated_by_run, p.present, p.expected
    FROM (
{datasets/*/provenance}
    ) AS p JOIN store.ingestion l USING (version_id) LEFT JOIN store.validation v USING (validation_id);

-- Published values that were replaced: every value of a minute (funding, volatility: of an hour) that differs between a version
-- that was published and the next published version, and when the newer one was published. old is NULL if the value was missing
-- before, new is NULL if the day was cut to a lifetime that was learned later. A version that was taken back and not replaced is
-- no correction: its findings are in quality_findings, and the version itself in provenance.
CREATE VIEW corrections AS
{datasets/*/corrections};

-- The versions of days from which something stored was computed: the views still read them, so they are kept.
CREATE VIEW store.computed_from_candle_day AS
    SELECT instrument_id, day, future_version_id AS version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.index_day;
