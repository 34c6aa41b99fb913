-- Says how often there is a snapshot of a dataset from a beat on. Grain: a stretch of time. May run twice: what is known writes
-- nothing. Parameters: dataset, beat, seconds.
WITH current AS (
    SELECT * FROM store.snapshot_beat WHERE dataset = %(dataset)s AND ends = 'infinity' FOR UPDATE
), ended AS (
    UPDATE store.snapshot_beat b SET ends = %(beat)s FROM current c
    WHERE b.dataset = c.dataset AND b.begins = c.begins AND c.seconds <> %(seconds)s AND c.begins < %(beat)s
)
INSERT INTO store.snapshot_beat (dataset, begins, seconds)
SELECT %(dataset)s, %(beat)s, %(seconds)s
WHERE NOT EXISTS (SELECT FROM current c WHERE c.seconds = %(seconds)s OR c.begins >= %(beat)s)
ON CONFLICT (dataset, begins) DO NOTHING
