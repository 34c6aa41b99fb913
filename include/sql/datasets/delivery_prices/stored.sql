-- What is stored of the delivery prices, by month: present are the days that are published, or that wait or are held back with
-- none published. Grain: index, month, and whether it is published. Reads only.
SELECT 'delivery_prices' AS kind, index_name AS subject, date_trunc('month', day::timestamp)::date AS month, count(*) AS present,
       count(*) AS published_minutes, 0::bigint AS unreferenced_days
FROM store.delivery_price WHERE state = 'published' GROUP BY 1, 2, 3
UNION ALL
SELECT 'delivery_prices', p.index_name, date_trunc('month', p.day::timestamp)::date, count(*), 0, 0
FROM store.delivery_price p
WHERE p.state IN ('pending', 'held') AND NOT EXISTS (
    SELECT FROM store.delivery_price n
    WHERE n.index_name = p.index_name AND n.day = p.day AND (n.state = 'published' OR n.version_id > p.version_id))
GROUP BY 1, 2, 3
