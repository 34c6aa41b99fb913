-- One row a snapshot that is to be decided on: those that wait, whenever they were taken, and those of the run's own beat.
-- missed_lately: where none was taken at the beat before, the beats without one since the sixtieth newest snapshot; else 0. What is said of single instruments is a text that
-- names the first of them, NULL where there is nothing to say. Grain: currency, ts (the beat). Reads only. Parameters: to (the
-- run's moment), currencies.
WITH decided_on AS (
    SELECT DISTINCT ON (s.currency, s.beat) s.*
    FROM store.instrument_summary s
    WHERE s.currency = ANY(%(currencies)s)
      AND (s.state = 'pending' AND s.validation_id IS NULL
           OR s.beat = (SELECT date_bin(make_interval(secs => b.seconds), %(to)s::timestamptz, '2000-01-01 00:00+00')
                        FROM store.snapshot_beat b WHERE b.dataset = 'instrument_summaries' AND b.ends = 'infinity'))
    ORDER BY s.currency, s.beat, s.version_id DESC
)
SELECT d.currency, d.beat AS ts, d.beat, d.version_id, cardinality(r.instruments) AS instruments, n.missed_lately,
       extract(epoch FROM t.newest - d.beat)::float8 AS late_seconds, extract(epoch FROM t.newest - t.oldest)::float8 AS clock_span_seconds,
       i.known::float8 / cardinality(r.instruments) AS marks_known, i.without_mark, i.impossible, i.far_from_index, i.off_index, i.crossed,
       i.without_funding, i.unusual_funding, store.named(d.unreadable) AS unreadable,
       store.named(store.absent_from(r.instruments, 'future', d.currency, t.newest)) AS absent,
       store.named(store.not_in_catalogue(r.instruments, 'future', d.currency)) AS unknown,
       1 + m.missed AS rows_expected, m.missed AS rows_missing
FROM decided_on d
JOIN store.roster r USING (roster_id)
CROSS JOIN LATERAL (SELECT min(u) AS oldest, max(u) AS newest FROM unnest(d.told_at) AS u) AS t
CROSS JOIN LATERAL (SELECT store.missed_beats('instrument_summaries', d.beat, (
                        SELECT max(p.beat) FROM store.instrument_summary p WHERE p.currency = d.currency AND p.beat < d.beat)) AS missed) AS m
CROSS JOIN LATERAL (
    SELECT CASE WHEN m.missed > 0 THEN store.missed_among('instrument_summaries', ARRAY(
        SELECT DISTINCT beat FROM store.instrument_summary WHERE currency = d.currency AND beat <= d.beat ORDER BY beat DESC LIMIT 60))
    ELSE 0 END AS missed_lately) AS n
CROSS JOIN LATERAL (
    SELECT count(e.mark) AS known,
           store.named(array_agg(e.name ORDER BY e.name) FILTER (WHERE e.mark IS NULL)) AS without_mark,
           store.named(array_agg(e.name || ': ' || e.wrong ORDER BY e.name) FILTER (WHERE e.wrong IS NOT NULL)) AS impossible,
           store.named(array_agg(format('%%s: mark %%s, index %%s', e.name, e.mark, e.index) ORDER BY e.name) FILTER (WHERE e.distance > 0.5)) AS far_from_index,
           store.named(array_agg(format('%%s: mark %%s, index %%s', e.name, e.mark, e.index) ORDER BY e.name) FILTER (WHERE e.distance > 0.25)) AS off_index,
           store.named(array_agg(format('%%s: bid %%s, ask %%s', e.name, e.bid, e.ask) ORDER BY e.name) FILTER (WHERE e.bid > e.ask)) AS crossed,
           store.named(array_agg(e.name ORDER BY e.name) FILTER (WHERE e.perpetual AND (e.current_funding IS NULL OR e.funding_8h IS NULL))) AS without_funding,
           store.named(array_agg(format('%%s: %%s', e.name, e.funding_8h) ORDER BY e.name) FILTER (WHERE abs(e.funding_8h) > 0.02)) AS unusual_funding
    FROM (SELECT u.*, u.name LIKE '%%-PERPETUAL' AS perpetual, store.relative_distance(u.mark, u.index) AS distance,
                 CASE WHEN NOT u.mark BETWEEN 1e-50 AND 1e50 THEN 'mark ' || u.mark
                      WHEN NOT u.index BETWEEN 1e-50 AND 1e50 THEN 'index ' || u.index
                      WHEN u.index IS NULL THEN 'no index'
                      WHEN NOT u.bid BETWEEN 0 AND 1e50 THEN 'bid ' || u.bid
                      WHEN NOT u.ask BETWEEN 0 AND 1e50 THEN 'ask ' || u.ask
                      WHEN NOT u.last BETWEEN 0 AND 1e50 THEN 'last ' || u.last
                      WHEN u.interest IS NULL THEN 'no open interest'
                      WHEN NOT u.interest BETWEEN 0 AND 1e50 THEN 'open interest ' || u.interest
                      WHEN NOT u.volume BETWEEN 0 AND 1e50 THEN 'volume ' || u.volume
                      WHEN NOT u.current_funding BETWEEN -0.5 AND 0.5 THEN 'current funding ' || u.current_funding
                      WHEN NOT u.funding_8h BETWEEN -0.5 AND 0.5 THEN 'funding of 8 hours ' || u.funding_8h END AS wrong
          FROM unnest(r.instruments, store.for_each(d.mark_price, r.instruments), store.for_each(d.index_price, r.instruments),
                      store.for_each(d.bid_price, r.instruments), store.for_each(d.ask_price, r.instruments),
                      store.for_each(d.last_price, r.instruments), store.for_each(d.open_interest, r.instruments),
                      store.for_each(d.volume, r.instruments), store.for_each(d.current_funding, r.instruments),
                      store.for_each(d.funding_8h, r.instruments))
               AS u(name, mark, index, bid, ask, last, interest, volume, current_funding, funding_8h)) AS e
) AS i
ORDER BY d.currency, d.beat
