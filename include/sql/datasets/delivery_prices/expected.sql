-- The delivery prices that should exist: the days of the collected currencies' indexes, from the first day that may exist on (see
-- profile.sql) or, if that is earlier or within a week after it, from the first day that the exchange sent. Grain: index. Reads only.
-- Columns as in candles/expected.sql.
SELECT 'delivery_prices' AS kind, 'delivery_prices' AS dataset, x.index_name AS subject, x.index_name AS instrument, NULL::text AS settlement_period,
       greatest(x.since, (CASE WHEN told.day < x.first_day + 7 THEN told.day ELSE x.first_day END)::timestamp AT TIME ZONE 'UTC') AS begins,
       least(date_trunc('month', now(), 'UTC'), x.past_day::timestamp AT TIME ZONE 'UTC') AS ends, 86400 AS seconds,
       true AS loadable, NULL::text AS fetched_as
FROM (SELECT l.price_index AS index_name, greatest(min(l.first_day), date '2019-07-26') AS first_day, max(l.past_day) AS past_day, min(c.since) AS since
      FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency
      WHERE l.price_index IS NOT NULL GROUP BY l.price_index) AS x
CROSS JOIN LATERAL (SELECT min(p.day) AS day FROM store.delivery_price p WHERE p.index_name = x.index_name) AS told
