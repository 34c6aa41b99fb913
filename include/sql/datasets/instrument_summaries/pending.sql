-- Days with snapshots that wait to be validated: the next beat's run does it. Grain: currency, day. Reads only.
SELECT 'instrument_summaries' AS dataset, currency AS instrument, (beat AT TIME ZONE 'UTC')::date AS day, NULL::text AS waits_for,
       CASE WHEN bool_and(validation_id IS NOT NULL) THEN max(validation_id) END AS blocked_by, bool_and(validation_id IS NULL) AS loaded
FROM store.instrument_summary WHERE state = 'pending' GROUP BY 1, 2, 3
