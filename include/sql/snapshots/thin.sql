-- Deletes the snapshots of some hours but the fullest of each: of each series (an expiry) that is published in the hour, the beat of
-- which most series are published, the earliest of those, with all its rows. That is one beat an hour; a second one stays where the
-- fullest lacks a series that another beat has, for nothing brings it back. An hour of which nothing is published keeps what it
-- has. Grain: a version. May run twice: what is thinned already is not looked at again. Parameters: dataset, from, before (full
-- hours).
WITH published AS (
    SELECT o.currency, o.series, o.beat, date_trunc('hour', o.beat, 'UTC') AS hour,
           count(*) OVER (PARTITION BY o.currency, o.beat) AS rows
    FROM {table} o
    WHERE o.state = 'published' AND o.beat >= %(from)s AND o.beat < %(before)s
), kept AS MATERIALIZED (
    SELECT DISTINCT ON (currency, hour, series) currency, hour, beat FROM published ORDER BY currency, hour, series, rows DESC, beat
)
DELETE FROM {table} t
USING store.snapshot_beat p
WHERE p.dataset = %(dataset)s AND p.seconds < 3600 AND t.beat >= p.begins AND t.beat < p.ends
  AND t.beat >= %(from)s AND t.beat < %(before)s
  AND EXISTS (SELECT FROM kept k WHERE k.currency = t.currency AND k.hour = date_trunc('hour', t.beat, 'UTC'))
  AND NOT EXISTS (SELECT FROM kept k WHERE k.currency = t.currency AND k.beat = t.beat)
