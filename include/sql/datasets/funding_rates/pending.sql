-- Days of funding with hours that have to be validated: the newest version of an hour was not validated, or the data that its index
-- was checked against has other versions now. Hours of a day that is not over are live's: nobody can load its candles yet, and an hour
-- waits for the perpetual's minute at its end alone. Grain: instrument, day. Reads only. Columns as in candles/pending.sql.
WITH life AS MATERIALIZED (
    SELECT l.* FROM store.lifetime l WHERE l.perpetual AND l.settlement_currency IN (SELECT currency FROM store.collected)
), version AS MATERIALIZED (
    SELECT v.* FROM store.level_versions(ARRAY(SELECT instrument_id FROM life), '-infinity', 'infinity') AS v
), newest AS MATERIALIZED (
    SELECT DISTINCT ON (instrument_id, ts) instrument_id, ts, state, validation_id, reference, compared_with,
           ((ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day
    FROM store.funding_rate ORDER BY instrument_id, ts, version_id DESC
), unsettled AS MATERIALIZED (
    SELECT n.instrument_id, n.day, o.is_open, max(n.validation_id) AS validation_id,
           bool_or(o.is_open AND NOT store.was_fetched(n.instrument_id, 'open candles', n.ts - interval '1 minute', n.ts)) AS awaits_minutes,
           bool_and(n.state = 'pending' AND n.validation_id IS NOT NULL AND c.changed IS NOT TRUE) AS blocked,
           bool_and(n.state = 'pending' AND n.validation_id IS NULL AND n.reference IS NULL) AS loaded
    FROM newest n JOIN life l ON l.instrument_id = n.instrument_id AND n.ts <= l.funding_ends
    LEFT JOIN version v ON v.perpetual_id = n.instrument_id AND v.day = n.day
    CROSS JOIN LATERAL (SELECT n.day >= (now() AT TIME ZONE 'UTC')::date AS is_open) AS o
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n.compared_with IS NULL THEN n.state = 'held'
                    ELSE n.compared_with <> store.compared_with(n.compared_with >= 0, v.perpetual, v.futures) END AS changed) AS c
    WHERE n.state = 'pending' OR c.changed
    GROUP BY n.instrument_id, n.day, o.is_open
)
SELECT CASE WHEN u.is_open THEN 'funding_live' ELSE 'funding_rates' END AS dataset, l.label AS instrument, u.day,
       CASE WHEN NOT u.is_open THEN store.awaited_candles(l.instrument_id, u.day::timestamp AT TIME ZONE 'UTC', (u.day + 1)::timestamp AT TIME ZONE 'UTC')
            WHEN u.awaits_minutes THEN 'perpetuals_live of ' || l.label END AS waits_for,
       CASE WHEN u.blocked THEN u.validation_id END AS blocked_by, u.loaded
FROM unsettled u JOIN life l USING (instrument_id)
