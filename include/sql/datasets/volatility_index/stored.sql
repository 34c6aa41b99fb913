-- What is stored of the volatility index, by month. Grain: currency, month. Reads only.
SELECT 'volatility_index' AS kind, currency AS subject, date_trunc('month', ts, 'UTC')::date AS month, count(DISTINCT ts) AS present,
       count(DISTINCT date_trunc('day', ts, 'UTC')) FILTER (WHERE state = 'published') AS published_days,
       count(*) FILTER (WHERE state = 'published') AS published_minutes, 0::bigint AS unreferenced_days
FROM store.volatility_index WHERE state IN ('pending', 'published', 'held') AND ts = date_trunc('hour', ts, 'UTC') GROUP BY 2, 3
