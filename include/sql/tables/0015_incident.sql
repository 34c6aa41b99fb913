-- What goes wrong and how it ended: one row from when it is seen first until it is over, however often it is seen between.
-- Open is what has no resolved_at; of one fingerprint (kind, dataset, rule, instruments) one is open at most.
CREATE TABLE store.incident (
    incident_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('failure', 'blocked', 'quarantine', 'warning', 'wait', 'watch', 'note')),
    dataset      text NOT NULL,                        -- or a DAG without its prefix, or what is waited for
    rule         text NOT NULL,                        -- the rule that is broken, or the kind of error
    instruments  text NOT NULL,                        -- the group concerned, as BTC; '': all, or no instrument's
    level        text NOT NULL CHECK (level IN ('error', 'warning', 'notice')),
    words        text NOT NULL,                        -- what was said of it last, by lines
    dag_id       text NOT NULL,                        -- the run that said it; '': no run
    run_id       text NOT NULL,
    stands       text[] NOT NULL,                      -- what of it still stands: intervals, days, DAGs
    opened_at    timestamptz NOT NULL DEFAULT now(),
    seen_at      timestamptz NOT NULL DEFAULT now(),
    grown_at     timestamptz NOT NULL DEFAULT now(),   -- when more of it stood than before
    times        integer NOT NULL DEFAULT 1,           -- how often it was seen
    resolved_at  timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note         text,
    told_at      timestamptz,                          -- when its last message but that of its end went out; NULL: none did
    end_told_at  timestamptz,                          -- when that of its end did, or it was decided that none is needed
    telling_at   timestamptz                           -- when somebody began to tell of it; set again at the next attempt
);

CREATE UNIQUE INDEX incident_open ON store.incident (kind, dataset, rule, instruments) WHERE resolved_at IS NULL;

-- what is open or has yet to be told: that is looked at after every run
CREATE INDEX incident_unsettled ON store.incident (dataset) WHERE resolved_at IS NULL OR told_at IS NULL OR end_told_at IS NULL;
