-- The first day of which the history has not been answered for all that is collected of a dataset, or for its instruments' candles.
-- Live's candles are recorded apart and count as open; funding is recorded alike whoever asked for it, and its day is live's until the
-- perpetual's candles were asked for. Grain: the database; NULL where there is no such day. Reads only. Contains what the dataset plans
-- to load and what should exist of it. Parameters: from, to (midnights, UTC), and those of the plan.
SELECT min((lower(o.unanswered) AT TIME ZONE 'UTC')::date) AS day
FROM ({plan}) AS p
JOIN ({expected}) AS e ON e.subject = p.instrument_id::text
CROSS JOIN LATERAL (VALUES ('candles'), (e.fetched_as)) AS q(what)
LEFT JOIN store.fetched a ON a.instrument_id = p.instrument_id AND a.what = q.what
CROSS JOIN LATERAL (SELECT greatest(p.begins, e.begins) AS begins) AS w
CROSS JOIN LATERAL (SELECT tstzmultirange(tstzrange(w.begins, greatest(w.begins, p.ends)))
                           - coalesce(a.windows, tstzmultirange()) AS unanswered) AS o
