-- Days with hours that wait to be validated. Grain: currency, day. Reads only. Nothing is awaited: it is compared with nothing.
SELECT 'volatility_index' AS dataset, currency AS instrument, (ts AT TIME ZONE 'UTC')::date AS day, NULL::text AS waits_for,
       CASE WHEN bool_and(validation_id IS NOT NULL) THEN max(validation_id) END AS blocked_by, bool_and(validation_id IS NULL) AS loaded
FROM store.volatility_index WHERE state = 'pending' AND currency IN (SELECT currency FROM store.collected) GROUP BY 1, 2, 3
