-- Deletes the snapshots of before an hour but the first published one of each hour, with all its rows; an hour of which nothing is
-- published keeps what it has. Grain: a version. May run twice: what is thinned already is not looked at again. Parameters: dataset,
-- before (a full hour).
DELETE FROM {table} t
USING store.snapshot_beat p
WHERE p.dataset = %(dataset)s AND p.seconds < 3600 AND t.beat >= p.begins AND t.beat < p.ends AND t.beat < %(before)s
  AND t.beat <> (SELECT min(o.beat) FROM {table} o
                 WHERE o.currency = t.currency AND o.state = 'published'
                   AND o.beat >= date_trunc('hour', t.beat, 'UTC') AND o.beat < date_trunc('hour', t.beat, 'UTC') + interval '1 hour')
