-- What there is to ask of the instruments' open days: of each the last hour (from, to), and the oldest minutes before it that the
-- exchange has not answered for, six hours at most. Open is what lies in this month, or since yesterday where that is longer, is
-- not published as a closed day, and was not answered for. First come the last hours, of whom was answered for the least; then what
-- is older, the oldest first: so whoever takes as many as there is time for leaves nobody behind. Nothing older is asked for while
-- 10,000 minutes wait to be validated: more would be loaded than a busy machine can publish. Grain: instrument, window. Reads
-- only. Parameters: from, to, perpetual, currencies.
WITH life AS (
    SELECT l.instrument_id, l.instrument, greatest(l.begins, o.since) AS begins, least(l.ends, %(to)s) AS ends, o.since
    FROM store.lifetime l
    CROSS JOIN (SELECT least(date_trunc('month', %(to)s::timestamptz, 'UTC'), date_trunc('day', %(to)s::timestamptz, 'UTC') - interval '1 day') AS since) AS o
    WHERE l.perpetual = %(perpetual)s AND l.settlement_currency = ANY(%(currencies)s) AND l.begins < %(to)s AND l.ends > o.since
), answered AS (
    SELECT i.*, coalesce(a.windows, '{}') AS windows,
           coalesce((SELECT range_agg(tstzrange(c.day::timestamp AT TIME ZONE 'UTC', (c.day + 1)::timestamp AT TIME ZONE 'UTC'))
                     FROM store.candle_day c
                     WHERE c.instrument_id = i.instrument_id AND c.state = 'published' AND c.day >= (i.since AT TIME ZONE 'UTC')::date), '{}') AS closed
    FROM life i LEFT JOIN store.fetched a ON a.instrument_id = i.instrument_id AND a.what = 'open candles'
), planned AS (
    SELECT instrument_id, instrument, greatest(begins, %(from)s) AS begins, ends, false AS is_older,
           coalesce(upper(windows), '-infinity') AS place
    FROM answered
    UNION ALL
    SELECT instrument_id, instrument, lower(h), least(upper(h), lower(h) + interval '6 hours'), true, lower(h)
    FROM answered i
    CROSS JOIN LATERAL (SELECT h FROM unnest(tstzmultirange(tstzrange(i.begins, greatest(i.begins, least(i.ends, %(from)s)))) - i.windows - i.closed) AS h
                        ORDER BY lower(h) LIMIT 1) AS oldest
    WHERE (SELECT count(*) FROM (SELECT FROM store.ready_open_candle JOIN life USING (instrument_id) LIMIT 10000) AS w) < 10000
)
SELECT instrument AS subject, instrument, instrument_id, begins, ends, 1 AS requests
FROM planned WHERE begins < ends
ORDER BY is_older, place, instrument
