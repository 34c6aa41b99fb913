-- One row for each day of an index that should exist, from the first day that the exchange sent on (if it has sent none yet: from
-- the first one that may exist), and one for each other day that it sent; each over its newest version. Grain: index_name, day. Reads
-- only. Parameters: from, to (days whose 08:00 UTC lies in [from, to)), currencies. On 2026-09-20 the exchange reported 2,614 rows of
-- btc_usd; if each is a day, the first one is 2019-07-26 (also in expected.sql).
--   delivers      number of contracts in the catalogue that expired on the day at 08:00 UTC: they must have been delivered at a price
--   move          distance of the price from that of the last earlier day that the exchange sent, at most 30 days back: the larger of
--                 the two divided by the smaller, minus one; NULL if there is none, or if one of the two is not a price
WITH days AS (
    SELECT ((%(from)s::timestamptz - interval '8 hours' - interval '1 microsecond') AT TIME ZONE 'UTC')::date + 1 AS first,
           ((%(to)s::timestamptz - interval '8 hours' - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS last
), collected AS (
    SELECT price_index AS index_name, greatest(min(first_day), date '2019-07-26') AS first_day, max(past_day) AS past_day FROM store.lifetime
    WHERE price_index IS NOT NULL AND settlement_currency = ANY(%(currencies)s::text[]) GROUP BY price_index
), told AS (
    SELECT DISTINCT ON (p.index_name, p.day) p.*
    FROM store.delivery_price p JOIN collected USING (index_name) CROSS JOIN days d
    -- those before the interval are what its first one is compared with
    WHERE p.day BETWEEN d.first - 30 AND d.last
    ORDER BY p.index_name, p.day, p.version_id DESC
), newest AS (
    SELECT t.*, lag(t.price) OVER (PARTITION BY t.index_name ORDER BY t.day) AS previous FROM told t
), expected AS (
    SELECT c.index_name, s.day::date AS day
    FROM collected c CROSS JOIN days d
    CROSS JOIN LATERAL (SELECT min(x.day) AS day FROM store.delivery_price x WHERE x.index_name = c.index_name) AS first
    CROSS JOIN LATERAL generate_series(greatest(d.first, coalesce(first.day, c.first_day))::timestamp,
                                       least(d.last, c.past_day - 1)::timestamp, interval '1 day') AS s(day)
), delivered AS (
    SELECT l.price_index AS index_name, (l.expires_at AT TIME ZONE 'UTC')::date AS day, count(*) AS contracts
    FROM store.lifetime l
    WHERE NOT l.perpetual AND l.settlement_currency = ANY(%(currencies)s::text[]) AND l.expires_at >= %(from)s AND l.expires_at < %(to)s
      AND (date_trunc('minute', l.expires_at, 'UTC') AT TIME ZONE 'UTC')::time = '08:00'
    GROUP BY 1, 2
), together AS (
    SELECT coalesce(e.index_name, n.index_name) AS index_name, coalesce(e.day, n.day) AS day, n.version_id, n.price, n.previous,
           coalesce(n.duplicate, false) AS duplicate, n.index_name IS NULL AS missing, e.index_name IS NOT NULL AS expected
    FROM expected e FULL JOIN (SELECT n.* FROM newest n, days d WHERE n.day >= d.first) AS n USING (index_name, day)
)
SELECT t.index_name, t.day, t.version_id, t.missing, t.missing AND a.delivers > 0 AS delivery_unpriced, a.delivers, t.duplicate,
       coalesce(t.price = 'NaN', false) AS price_unknown, t.price, store.symmetric_distance(store.price(t.previous), store.price(t.price)) AS move,
       t.expected::integer AS rows_expected, t.missing::integer AS rows_missing
FROM together t
LEFT JOIN delivered d USING (index_name, day)
CROSS JOIN LATERAL (SELECT coalesce(d.contracts, 0) AS delivers) AS a
ORDER BY 1, 2
