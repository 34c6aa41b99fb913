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
           rows_checked, minutes AS expected, missing, blocked_because
    FROM store.validation;

-- Where every version of every instrument-day came from, and what became of it (the states: table store.candle_day).
CREATE VIEW provenance AS
    SELECT i.label AS instrument, c.day, c.version_id, l.dataset, l.host, l.run_id, l.loaded_at, c.state::text AS state, c.validation_id, v.validated_at,
           v.run_id AS validated_by_run, c.present, c.n AS minutes
    FROM store.candle_day c JOIN store.instrument i USING (instrument_id) JOIN store.ingestion l USING (version_id)
    LEFT JOIN store.validation v USING (validation_id);

-- What was published and then replaced by something else: every value of a minute (funding: of an hour) that differs between
-- a version that was once shown and the next one that was, and when that was published. old is NULL where a value
-- that was missing came later, new where a day was cut to a lifetime that was learned later. What was taken back and not
-- replaced is no correction: its findings are in quality_findings, the versions themselves in provenance.
CREATE VIEW corrections AS
    SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset,
           i.label AS instrument, o.day, to_timestamp(e.epoch + 60 * m.i) AS ts, f.field, m.old, m.new,
           v.validated_at AS corrected_at, v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
    FROM store.candle_day o
    JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL (SELECT c.* FROM store.candle_day c
                        WHERE c.instrument_id = o.instrument_id AND c.day = o.day AND c.version_id > o.version_id AND NOT isempty(c.shown)
                        ORDER BY c.version_id LIMIT 1) AS n
    JOIN store.validation v ON v.validation_id = lower(n.shown)
    CROSS JOIN LATERAL (SELECT extract(epoch FROM o.day)::float8 + 60 * (least(o.first_minute, n.first_minute) - 1) AS epoch,
                               least(o.first_minute, n.first_minute)::integer AS first,
                               greatest(o.first_minute + o.n, n.first_minute + n.n)::integer - least(o.first_minute, n.first_minute) AS n OFFSET 0) AS e
    CROSS JOIN LATERAL (VALUES ('open', o.open, n.open), ('high', o.high, n.high), ('low', o.low, n.low), ('close', o.close, n.close),
                               ('volume', o.volume, n.volume), ('cost', o.cost, n.cost)) AS f(field, old, new)
    CROSS JOIN LATERAL (SELECT unnest(store.slice_minutes(f.old, o.first_minute, e.first, e.n)) AS old,
                               unnest(store.slice_minutes(f.new, n.first_minute, e.first, e.n)) AS new, generate_series(1, e.n) AS i) AS m
    WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND m.old IS DISTINCT FROM m.new
    UNION ALL
    SELECT 'funding_rates', i.label, (o.ts AT TIME ZONE 'UTC' - interval '1 microsecond')::date, o.ts, u.field, u.old, u.new,
           v.validated_at, v.validation_id, o.version_id, n.version_id
    FROM store.funding_rate o
    JOIN store.instrument i USING (instrument_id)
    CROSS JOIN LATERAL (SELECT c.* FROM store.funding_rate c
                        WHERE c.instrument_id = o.instrument_id AND c.ts = o.ts AND c.version_id > o.version_id AND NOT isempty(c.shown)
                        ORDER BY c.version_id LIMIT 1) AS n
    JOIN store.validation v ON v.validation_id = lower(n.shown)
    CROSS JOIN LATERAL (VALUES ('interest_1h', o.interest_1h, n.interest_1h), ('interest_8h', o.interest_8h, n.interest_8h),
                               ('index_price', o.index_price, n.index_price), ('prev_index_price', o.prev_index_price, n.prev_index_price))
        AS u(field, old, new)
    WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND u.old IS DISTINCT FROM u.new;

-- The versions of days that something computed still names: they are read for it, and so kept.
CREATE VIEW store.computed_from_candle_day AS
    SELECT instrument_id, day, future_version_id AS version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.basis_day
    UNION ALL SELECT perpetual_id, day, perpetual_version_id FROM store.index_day;
