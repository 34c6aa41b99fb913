-- One row an hour that should exist, from the first hour the exchange has to the end of the perpetual's lifetime, and one
-- for every hour received off the grid; nothing that came after the end. Of a perpetual whose first hour was not found yet no hour is
-- expected, and so that it is named the first one of the interval is there all the same (start_unknown). Grain: instrument, ts (hour end). Reads only.
-- Parameters: from, to: hour ends in (from, to]; currencies (text[]); outages_from, outages_to (timestamptz[]): they
-- explain the hours they have a part of; open: only the hours of days that are not closed, and others that nothing was decided on yet;
-- what is said of the interval as a whole is NULL then.
--   eight_hours_off  how far interest_8h is from prev_index_price of the oldest of its eight hours times the sum of
--                    interest_1h / prev_index_price over them, as a fraction of the sum of |interest_1h| (at least
--                    0.0002); NULL where one of the eight is not stored. month_off: the same over the interval.
--   waits_for        the perpetual's candles of the day, which the index is checked against, if the exchange was not asked for
--                    them yet; was_fetched: whether it was asked for the hour itself
--                    (of an open day: its minute at the end of the hour)
--   checksum_off     how far the hours are from the exchange's own sum of the interval, as a fraction of the sum of
--                    |interest_1h|; NULL where it was not asked for, or an hour of it is not stored
-- No value may stop the statement, so only rates and prices within bounds are multiplied and divided. A part that is to be computed
-- once for each instrument or level is MATERIALIZED: as long as the statistics don't include the rows of the interval, the planner
-- would compute it again for every hour.
WITH newest AS (
    SELECT DISTINCT ON (f.instrument_id, f.ts) f.*,
           CASE WHEN f.interest_1h BETWEEN -1e50 AND 1e50 AND f.prev_index_price BETWEEN 1e-50 AND 1e50
                THEN f.interest_1h / f.prev_index_price END AS paid,
           CASE WHEN f.interest_1h BETWEEN -1e50 AND 1e50 THEN abs(f.interest_1h) END AS size
    FROM store.funding_rate f JOIN store.lifetime i USING (instrument_id)
    -- the seven hours before the first one belong to its eight
    WHERE f.ts > %(from)s - interval '7 hours' AND f.ts <= %(to)s AND f.ts <= i.funding_ends AND i.settlement_currency = ANY(%(currencies)s)
    ORDER BY f.instrument_id, f.ts, f.version_id DESC
), weighed AS (
    SELECT n.*, lag(n.index_price) OVER w AS previous_index_price, lag(n.ts) OVER w AS previous_ts,
           CASE WHEN count(n.paid) OVER eight = 8 AND n.interest_8h BETWEEN -1e50 AND 1e50
                     AND first_value(n.prev_index_price) OVER eight BETWEEN 1e-50 AND 1e50
                THEN abs(n.interest_8h - first_value(n.prev_index_price) OVER eight * sum(n.paid) OVER eight) END AS off,
           greatest(sum(n.size) OVER eight, 0.0002) AS weight
    FROM newest n
    WINDOW w AS (PARTITION BY n.instrument_id ORDER BY n.ts),
           eight AS (PARTITION BY n.instrument_id ORDER BY n.ts RANGE BETWEEN interval '7 hours' PRECEDING AND CURRENT ROW)
), expected AS (
    SELECT i.instrument_id, h AS ts, false AS start_unknown
    FROM store.funding_start s JOIN store.lifetime i USING (instrument_id)
    CROSS JOIN LATERAL generate_series(greatest(s.first_hour, %(from)s + interval '1 hour'), least(i.funding_ends, %(to)s), interval '1 hour') AS h
    WHERE i.settlement_currency = ANY(%(currencies)s)
    UNION ALL
    SELECT i.instrument_id, h.ts, true
    FROM store.lifetime i
    CROSS JOIN LATERAL (SELECT date_trunc('hour', greatest(i.begins, %(from)s), 'UTC') + interval '1 hour' AS ts) AS h
    WHERE NOT %(open)s AND i.perpetual AND i.settlement_currency = ANY(%(currencies)s) AND h.ts <= least(i.funding_ends, %(to)s)
      AND NOT EXISTS (SELECT FROM store.funding_start s WHERE s.instrument_id = i.instrument_id)
), level AS MATERIALIZED (
    SELECT l.perpetual_id AS instrument_id, l.day::timestamp AT TIME ZONE 'UTC' + l.hour * interval '1 hour' AS ts, l.*
    FROM (SELECT array_agg(DISTINCT instrument_id) AS perpetuals, min(ts) AS first, max(ts) AS last FROM weighed WHERE ts > %(from)s) AS w
    CROSS JOIN LATERAL store.levels(w.perpetuals, ((w.first - interval '1 microsecond') AT TIME ZONE 'UTC')::date,
                                    ((w.last - interval '1 microsecond') AT TIME ZONE 'UTC')::date + 1) AS l
), stored AS MATERIALIZED (
    -- of each perpetual and day: what its hours are compared with, and whether that is still to come
    SELECT k.instrument_id, k.day, v.perpetual, v.futures,
           store.awaited_candles(k.instrument_id, k.day::timestamp AT TIME ZONE 'UTC', least((k.day + 1)::timestamp AT TIME ZONE 'UTC', %(to)s)) AS waits_for
    FROM (SELECT DISTINCT e.instrument_id, ((e.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day
          FROM (SELECT instrument_id, ts FROM expected UNION ALL SELECT instrument_id, ts FROM weighed WHERE ts > %(from)s) AS e) AS k
    LEFT JOIN (SELECT v.* FROM (SELECT array_agg(DISTINCT instrument_id) AS perpetuals FROM weighed) AS w
               CROSS JOIN LATERAL store.level_versions(w.perpetuals, (%(from)s::timestamptz AT TIME ZONE 'UTC')::date,
                                                       ((%(to)s::timestamptz - interval '1 microsecond') AT TIME ZONE 'UTC')::date + 1) AS v) AS v
      ON v.perpetual_id = k.instrument_id AND v.day = k.day
), checksum AS MATERIALIZED (
    SELECT c.instrument_id, c.begins, c.ends, store.checksum_distance(c.instrument_id, c.begins, c.ends, c.value) AS off
    FROM (SELECT DISTINCT ON (v.instrument_id) v.* FROM store.funding_checksum v
          WHERE NOT %(open)s AND v.begins >= %(from)s AND v.ends <= %(to)s AND v.instrument_id IN (SELECT instrument_id FROM newest)
          ORDER BY v.instrument_id, v.ends - v.begins DESC, v.asked_at DESC) AS c
), outage AS (
    SELECT o.begins, o.ends FROM unnest(%(outages_from)s::timestamptz[], %(outages_to)s::timestamptz[]) AS o(begins, ends)
), together AS (
    SELECT coalesce(e.instrument_id, n.instrument_id) AS instrument_id, coalesce(e.ts, n.ts) AS ts, n.version_id,
           n.instrument_id IS NOT NULL AS present, coalesce(e.ts, n.ts) = date_trunc('hour', coalesce(e.ts, n.ts), 'UTC') AS on_the_hour,
           coalesce(n.duplicate, false) AS duplicate, n.interest_1h, n.interest_8h, n.index_price, n.prev_index_price,
           CASE WHEN n.previous_ts = n.ts - interval '1 hour' THEN n.previous_index_price END AS previous_row_index_price,
           n.off, CASE WHEN n.off IS NOT NULL THEN n.weight END AS weight,
           coalesce(n.state = 'pending' AND n.validation_id IS NULL, false) AS undecided, coalesce(e.start_unknown, false) AS start_unknown
    FROM expected e FULL JOIN (SELECT * FROM weighed WHERE ts > %(from)s) n USING (instrument_id, ts)
)
SELECT i.label AS instrument, t.ts, store.underlying_type(i) AS underlying_type, t.instrument_id, t.version_id, t.present, t.on_the_hour, t.duplicate,
       x.lacks AND NOT x.explained AS missing, x.lacks AND x.explained AS explained, t.start_unknown,
       t.interest_1h, t.interest_8h, t.index_price, t.prev_index_price, t.previous_row_index_price,
       -- the exchange's cap is known of these alone
       i.base_currency IN ('BTC', 'ETH') AND i.settlement_currency = i.base_currency AS capped,
       t.off / t.weight AS eight_hours_off,
       CASE WHEN NOT %(open)s THEN sum(t.off) OVER month / sum(t.weight) OVER month END AS month_off,
       c.off AS checksum_off,
       r.reference, store.compared_with(coalesce(r.reference = 'perpetual' AND r.distance <= 0.25, false), k.perpetual, k.futures) AS compared_with,
       CASE WHEN NOT %(open)s THEN k.waits_for
            WHEN k.waits_for IS NOT NULL AND NOT store.was_fetched(t.instrument_id, 'open candles', t.ts - interval '1 minute', t.ts)
            THEN 'perpetuals_live of ' || i.label END AS waits_for,
       t.present OR store.was_fetched(t.instrument_id, 'funding', t.ts - interval '1 hour', t.ts) AS was_fetched,
       CASE WHEN t.present AND l.index_off THEN store.disagreement(l.hour, l.perpetual, l.index_price, l.futures) END AS level_disagreement,
       (t.on_the_hour AND (t.present OR x.lacks))::integer AS rows_expected, x.lacks::integer AS rows_missing
FROM together t JOIN store.instrument i USING (instrument_id)
LEFT JOIN checksum c ON c.instrument_id = t.instrument_id AND t.ts > c.begins AND t.ts <= c.ends
LEFT JOIN level l ON l.instrument_id = t.instrument_id AND l.ts = t.ts
LEFT JOIN stored k ON k.instrument_id = t.instrument_id AND k.day = ((t.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date
-- what the index is checked against, and how far it is from the perpetual; where that is far, the futures settle it
CROSS JOIN LATERAL (
    SELECT store.symmetric_distance(l.perpetual, l.index_price) AS distance,
           CASE WHEN NOT t.present THEN 'none' WHEN l.perpetual IS NOT NULL THEN 'perpetual'
                WHEN l.futures IS NOT NULL THEN 'futures' ELSE 'none' END AS reference) AS r
CROSS JOIN LATERAL (SELECT NOT t.present AND NOT t.start_unknown AS lacks, EXISTS (SELECT FROM outage o WHERE t.ts > o.begins AND t.ts - interval '1 hour' < o.ends) AS explained) AS x
-- while a day is awaited whole it is open; once it is closed, what was decided on with its candles stays as it is
WHERE NOT %(open)s OR k.waits_for IS NOT NULL OR t.undecided
WINDOW month AS (PARTITION BY t.instrument_id)
ORDER BY i.label, t.ts
