-- One row a run of a suite; result is what Great Expectations said, whole. What is stored outside a lifetime that was
-- learned later is taken back without a suite: that is a row, too, without a result.
CREATE TABLE store.validation (
    validation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset       text        NOT NULL,
    dag_id        text        NOT NULL,
    run_id        text        NOT NULL,
    interval_from timestamptz NOT NULL,
    interval_to   timestamptz NOT NULL,
    validated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome       text        NOT NULL CHECK (outcome IN ('passed', 'warned', 'quarantined', 'blocked')),
    suite         text        NOT NULL,
    suite_digest  text,                                -- of its content: which rules they were
    rows_checked  integer     NOT NULL,
    minutes       bigint      NOT NULL DEFAULT 0,      -- expected and missing, as the profile saw them
    missing       bigint      NOT NULL DEFAULT 0,
    blocked_because text[]    NOT NULL DEFAULT '{}',
    result        jsonb
);

CREATE INDEX validation_dataset ON store.validation (dataset, validated_at DESC);

CREATE INDEX validation_run ON store.validation (dag_id, run_id);

CREATE INDEX validation_time ON store.validation (validated_at);

-- From when on every version that was ever published is still kept: what was published before can't be asked any more.
CREATE TABLE store.retention (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    kept_from timestamptz NOT NULL
);

-- One row a rule a key broke. Open until a later validation of the same key closes it.
CREATE TABLE store.quarantine (
    validation_id bigint NOT NULL REFERENCES store.validation,
    dataset       text   NOT NULL,
    subject       text   NOT NULL,                     -- instrument or index
    day           date   NOT NULL,
    ts            timestamptz,                         -- where the rule is about an hour
    rule          text   NOT NULL,
    severity      text   NOT NULL,
    observed      text,
    waived_reason text,
    closed_by     bigint REFERENCES store.validation
);

CREATE INDEX quarantine_open ON store.quarantine (dataset, day, subject) WHERE closed_by IS NULL;

CREATE INDEX quarantine_validation ON store.quarantine (validation_id);

CREATE INDEX quarantine_closed ON store.quarantine (closed_by, subject, day) WHERE closed_by IS NOT NULL;

-- Mapped tasks that failed for good, as they said it themselves, so that one message a run can name them.
CREATE TABLE store.run_failure (
    dag_id    text NOT NULL,
    run_id    text NOT NULL,
    task_id   text NOT NULL,
    map_index integer NOT NULL,
    label     text NOT NULL,
    error     text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dag_id, run_id, task_id, map_index)
);

-- Tasks that wait for something that will come: the memory of a wait, whose process has ended. A row goes when its
-- task goes on; one that isn't asked again is out of date an hour after it should have been (view `waiting`).
CREATE TABLE store.waiting (
    attempt    uuid    NOT NULL,                       -- Airflow's id of the task's attempt: a retry has another
    awaited    text    NOT NULL,                       -- 'the exchange', 'the catalogue', …
    dag_id     text    NOT NULL,
    run_id     text    NOT NULL,
    task_id    text    NOT NULL,
    map_index  integer NOT NULL,
    label      text    NOT NULL,
    cause      text    NOT NULL,                       -- what the last asking brought
    finished   bigint[] NOT NULL,                      -- what this attempt need not ask for again, by its place
    since      timestamptz NOT NULL DEFAULT now(),
    asked_at   timestamptz NOT NULL DEFAULT now(),
    next_at    timestamptz NOT NULL DEFAULT now(),
    notified_at    timestamptz,
    PRIMARY KEY (attempt, awaited)
);

ALTER TABLE store.candle_day   ADD FOREIGN KEY (validation_id) REFERENCES store.validation;

ALTER TABLE store.funding_rate ADD FOREIGN KEY (validation_id) REFERENCES store.validation;
