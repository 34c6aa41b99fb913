-- One row for each settlement that should exist (one at every 08:00 UTC of a lifetime; the last one of a dated future is its
-- delivery), and one for each other settlement that the exchange sent; each over its newest version. Grain: instrument, day, type.
-- Reads only. Parameters: from, to (whole days), currencies.
--   hole               there is no settlement, although there was a position at the last one before and at the first one after it
--                      (both within seven days of the interval)
--   undelivered        a contract expired with a position at its last settlement, and there is no delivery
--   delivery_misplaced a delivery is on another day than the end of the lifetime; outlived: a settlement is after that day
--   values_unknown     how many of the five numbers that every recorded row has are missing or not finite here
--   level_distance     between mark and index; move: between the mark and the one before it. The larger divided by the smaller, minus one
--   delivery_distance  between the index of a delivery and the stored delivery price of the day; NULL if that was not loaded
WITH asked AS (
    SELECT (%(from)s::timestamptz AT TIME ZONE 'UTC')::date AS first,
           ((%(to)s::timestamptz - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS last
), life AS MATERIALIZED (
    SELECT l.instrument_id, l.label, l.price_index, l.perpetual, store.underlying_type(i) AS underlying_type,
           ((l.begins - interval '8 hours') AT TIME ZONE 'UTC')::date + 1 AS first_day,  -- the first 08:00 after the listing
           ((l.ends - interval '8 hours') AT TIME ZONE 'UTC')::date AS last_day,         -- the last not after the end
           (l.ends AT TIME ZONE 'UTC')::date AS end_day,
           CASE WHEN NOT l.perpetual AND date_trunc('minute', l.expires_at, 'UTC') = l.ends
                     AND (l.ends AT TIME ZONE 'UTC')::time = '08:00' THEN (l.ends AT TIME ZONE 'UTC')::date END AS delivery_day
    FROM store.lifetime l JOIN store.instrument i USING (instrument_id) WHERE l.settlement_currency = ANY(%(currencies)s::text[])
), told AS MATERIALIZED (
    SELECT DISTINCT ON (s.instrument_id, s.day, s.type) s.*
    FROM store.settlement s JOIN life USING (instrument_id) CROSS JOIN asked a
    WHERE s.day BETWEEN a.first - 7 AND a.last + 7
    ORDER BY s.instrument_id, s.day, s.type, s.version_id DESC
), newest AS (
    SELECT t.*, lag(t.mark_price) OVER (PARTITION BY t.instrument_id ORDER BY t.day, t.type DESC) AS previous FROM told t
), expected AS (
    SELECT l.instrument_id, d::date AS day, CASE WHEN d::date = l.delivery_day THEN 'delivery' ELSE 'settlement' END AS type
    FROM life l CROSS JOIN asked a
    CROSS JOIN LATERAL generate_series(greatest(l.first_day, a.first)::timestamp, least(l.last_day, a.last)::timestamp, interval '1 day') AS d
), together AS (
    SELECT coalesce(e.instrument_id, n.instrument_id) AS instrument_id, coalesce(e.day, n.day) AS day, coalesce(e.type, n.type) AS type,
           n.instrument_id IS NULL AS missing, e.instrument_id IS NOT NULL AS expected,
           n.version_id, n.settled_at, n.position, n.mark_price, n.index_price, n.profit_loss, n.session_profit_loss, n.previous, n.duplicate
    FROM expected e FULL JOIN (SELECT n.* FROM newest n, asked a WHERE n.day BETWEEN a.first AND a.last) AS n USING (instrument_id, day, type)
)
SELECT l.label AS instrument, t.day, t.type, l.underlying_type, t.instrument_id, t.version_id, t.missing,
       t.missing AND coalesce(before.position > 0 AND after.position > 0, false) AS hole,
       t.missing AND t.type = 'delivery' AND coalesce(before.position > 0, false) AS undelivered,
       NOT t.missing AND t.type = 'delivery' AND t.day <> l.end_day AS delivery_misplaced,
       NOT t.missing AND t.day > l.end_day AS outlived,
       coalesce(t.duplicate, false) AS duplicate, u.values_unknown, t.position, t.mark_price, t.index_price,
       extract(epoch FROM t.settled_at - (t.day + time '08:00') AT TIME ZONE 'UTC')::float8 AS seconds_after_eight,
       store.symmetric_distance(store.price(t.mark_price), store.price(t.index_price)) AS level_distance,
       CASE WHEN t.type = 'delivery' THEN store.symmetric_distance(store.price(t.mark_price), store.price(t.index_price)) END AS delivery_off_index,
       CASE WHEN t.type = 'delivery' THEN store.symmetric_distance(store.price(p.price), store.price(t.index_price)) END AS delivery_distance,
       store.symmetric_distance(store.price(t.previous), store.price(t.mark_price)) AS move,
       t.expected::integer AS rows_expected, t.missing::integer AS rows_missing
FROM together t JOIN life l USING (instrument_id)
LEFT JOIN LATERAL (SELECT b.position FROM told b WHERE t.missing AND b.instrument_id = t.instrument_id AND b.day < t.day
                   ORDER BY b.day DESC LIMIT 1) AS before ON true
LEFT JOIN LATERAL (SELECT b.position FROM told b WHERE t.missing AND b.instrument_id = t.instrument_id AND b.day > t.day
                   ORDER BY b.day LIMIT 1) AS after ON true
LEFT JOIN LATERAL (SELECT x.price FROM store.delivery_price x WHERE x.index_name = l.price_index AND x.day = t.day
                   ORDER BY x.version_id DESC LIMIT 1) AS p ON t.type = 'delivery'
CROSS JOIN LATERAL (SELECT CASE WHEN t.missing THEN 0 ELSE
                        (SELECT count(*) FROM unnest(ARRAY[t.position, t.mark_price, t.index_price, t.profit_loss, t.session_profit_loss]) AS value
                         WHERE value IS NULL OR value IN ('NaN', 'Infinity', '-Infinity')) END AS values_unknown) AS u
ORDER BY 1, 2, 3
