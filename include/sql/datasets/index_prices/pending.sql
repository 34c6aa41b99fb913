-- Days of an index that were computed and wait to be validated. Grain: index, day. Reads only. Nothing is awaited: what it is computed from is published.
SELECT 'index_prices' AS dataset, x.index_name AS instrument, x.day, NULL::text AS waits_for, x.validation_id AS blocked_by, false AS loaded
FROM store.index_day x WHERE x.state = 'pending'
