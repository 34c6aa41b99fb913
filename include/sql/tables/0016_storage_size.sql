-- How large the database is, a row a day (UTC): the last measurement of it.
CREATE TABLE store.storage_day (
    day         date        PRIMARY KEY,
    measured_at timestamptz NOT NULL DEFAULT now(),
    bytes       bigint      NOT NULL,                  -- of the whole database
    limit_bytes bigint                                 -- what it may grow to; NULL: nobody knows
);

-- How large each table was then, its versions that were replaced included.
CREATE TABLE store.storage_size (
    day         date   NOT NULL REFERENCES store.storage_day,
    relation    text   NOT NULL,
    heap_bytes  bigint NOT NULL,
    index_bytes bigint NOT NULL,
    toast_bytes bigint NOT NULL,                       -- arrays, mostly
    PRIMARY KEY (day, relation)
);

-- A load or a validation that nothing names any more is deleted, and for each row of these Postgres asks every table that could
-- name it: without an index it reads the whole table each time. Many rows name one, so the indexes are small.
DO $$
DECLARE
    named record;
BEGIN
    FOR named IN
        SELECT c.conrelid::regclass AS relation, a.attname AS referring
        FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND c.confrelid IN ('store.ingestion'::regclass, 'store.validation'::regclass)
          AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = a.attnum
                            AND (i.indpred IS NULL OR a.attname = 'closed_by'))
        ORDER BY c.conrelid::regclass::text, a.attname
    LOOP
        EXECUTE format('CREATE INDEX ON %s (%I)', named.relation, named.referring);
    END LOOP;
END $$;
