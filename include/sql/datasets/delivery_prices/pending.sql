-- Days of an index that wait to be validated. Grain: index, day. Reads only. Nothing is awaited: it is compared with nothing.
SELECT 'delivery_prices' AS dataset, index_name AS instrument, day, NULL::text AS waits_for,
       CASE WHEN bool_and(validation_id IS NOT NULL) THEN max(validation_id) END AS blocked_by, bool_and(validation_id IS NULL) AS loaded
FROM store.delivery_price
WHERE state = 'pending' AND index_name IN (SELECT l.price_index FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency)
GROUP BY 1, 2, 3
