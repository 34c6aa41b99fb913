-- One row an expiry of a snapshot that is to be decided on (those that wait, whenever they were taken, and those of the run's own
-- beat), and one an expiry of which the catalogue lists options and the snapshot has none. missed_lately: where none was taken at
-- the beat before, the beats without one since the sixtieth newest snapshot; else 0; said once a currency. What is said of single
-- options is a text that names the first of them, NULL where there is nothing to say. sampled: the share of the tickers that were
-- asked beside the snapshot and answered, said once a currency. Grain: series, ts (the beat). Reads only. Parameters: to (the run's moment), currencies.
WITH decided_on AS (
    SELECT DISTINCT ON (s.currency, s.beat, s.series) s.*
    FROM store.option_chain s
    WHERE s.currency = ANY(%(currencies)s)
      AND (s.state = 'pending' AND s.validation_id IS NULL
           OR s.beat = (SELECT date_bin(make_interval(secs => b.seconds), %(to)s::timestamptz, '2000-01-01 00:00+00')
                        FROM store.snapshot_beat b WHERE b.dataset = 'options_chain' AND b.ends = 'infinity'))
    ORDER BY s.currency, s.beat, s.series, s.version_id DESC
), snapshots AS (
    SELECT d.*, CASE WHEN store.missed_beats('options_chain', d.beat, (
                         SELECT max(p.beat) FROM store.option_chain p WHERE p.currency = d.currency AND p.beat < d.beat)) > 0 THEN store.missed_among('options_chain', ARRAY(
               SELECT DISTINCT beat FROM store.option_chain WHERE currency = d.currency AND beat <= d.beat ORDER BY beat DESC LIMIT 60))
           ELSE 0 END AS missed_lately
    FROM (SELECT d.currency, d.beat, min(d.series) AS first_series, max(t.newest) AS newest
          FROM decided_on d CROSS JOIN LATERAL (SELECT max(u) AS newest FROM unnest(d.told_at) AS u) AS t
          GROUP BY d.currency, d.beat) AS d
), absent AS (
    -- of each snapshot what the catalogue lists and it lacks, by expiries
    SELECT s.currency, s.beat, substring(i.name FROM '^(.+)-[^-]+-[CP]$') AS series, array_agg(i.name ORDER BY i.name) AS names
    FROM snapshots s
    CROSS JOIN LATERAL (SELECT array_agg(n) AS names FROM decided_on d JOIN store.roster r USING (roster_id) CROSS JOIN LATERAL unnest(r.instruments) AS n
                        WHERE d.currency = s.currency AND d.beat = s.beat) AS there
    CROSS JOIN LATERAL unnest(store.absent_from(there.names, 'option', s.currency, s.newest)) AS i(name)
    GROUP BY 1, 2, 3
), profiled AS (
    SELECT d.*, r.instruments, s.newest, s.first_series, s.missed_lately
    FROM decided_on d JOIN store.roster r USING (roster_id) JOIN snapshots s USING (currency, beat)
)
SELECT coalesce(d.series, a.series) AS series, coalesce(d.beat, a.beat) AS ts, coalesce(d.currency, a.currency) AS currency,
       coalesce(d.beat, a.beat) AS beat, d.version_id, d.series IS NULL AS missing, coalesce(cardinality(d.instruments), 0) AS options,
       CASE WHEN d.series = d.first_series THEN d.missed_lately ELSE 0 END AS missed_lately,
       extract(epoch FROM d.newest - d.beat)::float8 AS late_seconds, extract(epoch FROM t.newest - t.oldest)::float8 AS clock_span_seconds,
       i.with_iv::float8 / cardinality(d.instruments) AS ivs_known, i.without_iv,
       CASE WHEN d.series = d.first_series THEN coalesce((
           SELECT cardinality(p.places)::float8 / p.asked FROM store.option_sample p WHERE p.currency = d.currency AND p.beat = d.beat), 0) END AS sampled,
       p.chain_apart, p.greeks_apart,
       i.with_mark::float8 / cardinality(d.instruments) AS marks_known, i.without_mark, i.without_underlying, i.impossible, i.crossed,
       store.named(d.unreadable) AS unreadable, store.named(a.names) AS absent,
       store.named(store.not_in_catalogue(d.instruments, 'option', d.currency)) AS unknown,
       1 AS rows_expected, (d.series IS NULL)::integer AS rows_missing
FROM profiled d
FULL JOIN absent a USING (currency, beat, series)
LEFT JOIN LATERAL (SELECT min(u) AS oldest, max(u) AS newest FROM unnest(d.told_at) AS u) AS t ON true
LEFT JOIN LATERAL (
    SELECT count(e.mark_iv) AS with_iv, count(e.mark_price) AS with_mark,
           store.named(array_agg(e.instrument ORDER BY e.instrument) FILTER (WHERE e.mark_iv IS NULL)) AS without_iv,
           store.named(array_agg(e.instrument ORDER BY e.instrument) FILTER (WHERE e.mark_price IS NULL)) AS without_mark,
           store.named(array_agg(e.instrument ORDER BY e.instrument) FILTER (WHERE e.underlying_price IS NULL OR e.index_price IS NULL)) AS without_underlying,
           store.named(array_agg(e.instrument || ': ' || e.wrong ORDER BY e.instrument) FILTER (WHERE e.wrong IS NOT NULL)) AS impossible,
           store.named(array_agg(format('%%s: bid %%s, ask %%s', e.instrument, e.bid_price, e.ask_price) ORDER BY e.instrument)
               FILTER (WHERE e.bid_price > e.ask_price AND e.ask_price > 0)) AS crossed
    FROM (SELECT u.*, CASE WHEN NOT u.mark_price BETWEEN 0 AND 1e50 THEN 'mark ' || u.mark_price
                           WHEN NOT u.mark_iv BETWEEN 0.1 AND 1000 THEN 'volatility ' || u.mark_iv
                           WHEN NOT u.bid_price BETWEEN 0 AND 1e50 THEN 'bid ' || u.bid_price
                           WHEN NOT u.ask_price BETWEEN 0 AND 1e50 THEN 'ask ' || u.ask_price
                           WHEN NOT u.last_price BETWEEN 0 AND 1e50 THEN 'last ' || u.last_price
                           WHEN u.open_interest IS NULL THEN 'no open interest'
                           WHEN NOT u.open_interest BETWEEN 0 AND 1e50 THEN 'open interest ' || u.open_interest
                           WHEN NOT u.volume BETWEEN 0 AND 1e50 THEN 'volume ' || u.volume
                           WHEN NOT u.index_price BETWEEN 1e-50 AND 1e50 THEN 'index ' || u.index_price
                           WHEN NOT u.underlying_price BETWEEN 1e-50 AND 1e50 THEN 'underlying ' || u.underlying_price
                           WHEN store.relative_distance(u.underlying_price, u.index_price) > 0.5
                               THEN format('underlying %%s, index %%s', u.underlying_price, u.index_price)
                           WHEN NOT u.interest_rate BETWEEN -1 AND 1 THEN 'interest rate ' || u.interest_rate END AS wrong
          FROM store.option_quotes(d.instruments, d.told_at, d.quotes, d.scales, d.odd_quotes, d.underlying, d.interest_rate) AS u) AS e
) AS i ON d.series IS NOT NULL
LEFT JOIN LATERAL (
    SELECT store.named(array_agg(k.instrument || ': ' || k.chain_apart ORDER BY k.instrument) FILTER (WHERE k.chain_apart IS NOT NULL)) AS chain_apart,
           store.named(array_agg(k.instrument || ': ' || k.greeks_apart ORDER BY k.instrument) FILTER (WHERE k.greeks_apart IS NOT NULL)) AS greeks_apart
    FROM store.option_chain c CROSS JOIN LATERAL store.sampled_of(c) AS k
    WHERE c.currency = d.currency AND c.beat = d.beat AND c.series = d.series AND c.version_id = d.version_id
) AS p ON d.series IS NOT NULL
ORDER BY 2, 3, 1
