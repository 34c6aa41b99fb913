-- Every delivery price that differs between a version that was once shown and the next one that was, and when that was
-- published. Grain: key. Reads only.
SELECT 'delivery_prices' AS dataset, o.index_name AS instrument, o.day, (o.day + time '08:00') AT TIME ZONE 'UTC' AS ts, 'price' AS field, o.price AS old,
       n.price AS new, v.validated_at AS corrected_at, v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.delivery_price o
CROSS JOIN LATERAL (SELECT c.* FROM store.delivery_price c
                    WHERE c.index_name = o.index_name AND c.day = o.day AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND o.price IS DISTINCT FROM n.price
