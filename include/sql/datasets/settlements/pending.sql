-- Days with settlements that wait to be validated. Grain: instrument, day. Reads only. Nothing is awaited.
SELECT 'settlements' AS dataset, l.label AS instrument, s.day, NULL::text AS waits_for,
       CASE WHEN bool_and(s.validation_id IS NOT NULL) THEN max(s.validation_id) END AS blocked_by, bool_and(s.validation_id IS NULL) AS loaded
FROM store.settlement s JOIN store.lifetime l USING (instrument_id) JOIN store.collected c ON c.currency = l.settlement_currency
WHERE s.state = 'pending' GROUP BY l.label, s.day
