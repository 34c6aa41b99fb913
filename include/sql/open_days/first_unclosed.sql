-- The first day of which the history has not been answered for all candles that are collected: what live alone has asked for counts as
-- open. Grain: the database; NULL where there is no such day. Reads only. Parameters: from, to (dates, days [from, to)).
SELECT min((lower(o.unanswered) AT TIME ZONE 'UTC')::date) AS day
FROM store.collected_lifetime l
LEFT JOIN store.fetched a ON a.instrument_id = l.instrument_id AND a.what = 'candles'
CROSS JOIN LATERAL (SELECT greatest(l.counts_from, %(from)s::date::timestamp AT TIME ZONE 'UTC') AS begins,
                           least(l.ends, %(to)s::date::timestamp AT TIME ZONE 'UTC') AS ends) AS w
CROSS JOIN LATERAL (SELECT tstzmultirange(tstzrange(w.begins, greatest(w.begins, w.ends))) - coalesce(a.windows, '{}') AS unanswered) AS o
