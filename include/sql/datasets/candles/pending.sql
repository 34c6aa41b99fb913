-- Days of the perpetuals and the dated futures that have to be validated: the newest version was not validated, or the data that its
-- level was checked against has other versions now. Grain: instrument, day. Reads only.
--   waits_for   the data that the day is compared with and that the exchange was not asked for yet; NULL: it can be validated
--   blocked_by  the validation that blocked its interval, if nothing that it is compared with has changed since
--   loaded      no validation has looked at it yet; the run that loaded it will
-- What is the same for all days is computed once (MATERIALIZED): the planner would ask it anew for each.
WITH life AS MATERIALIZED (
    SELECT l.* FROM store.lifetime l WHERE l.settlement_currency IN (SELECT currency FROM store.collected)
), future AS MATERIALIZED (
    SELECT instrument_id, perpetual_id, from_day, past_day FROM store.future
), version AS MATERIALIZED (
    SELECT v.* FROM store.level_versions(ARRAY(SELECT instrument_id FROM life WHERE perpetual), '-infinity', 'infinity') AS v
), newest AS MATERIALIZED (
    SELECT DISTINCT ON (instrument_id, day) instrument_id, day, state, validation_id, reference, compared_with
    FROM store.candle_day ORDER BY instrument_id, day, version_id DESC
), unsettled AS MATERIALIZED (
    SELECT n.instrument_id, n.day, f.perpetual_id, CASE WHEN n.state = 'pending' AND c.changed IS NOT TRUE THEN n.validation_id END AS blocked_by,
           n.state = 'pending' AND n.validation_id IS NULL AND n.reference IS NULL AS loaded
    FROM newest n
    JOIN life l ON l.instrument_id = n.instrument_id AND n.day >= l.first_day AND n.day < l.past_day
    LEFT JOIN future f ON f.instrument_id = n.instrument_id AND n.day >= f.from_day AND n.day < f.past_day
    LEFT JOIN version v ON v.perpetual_id = coalesce(f.perpetual_id, l.instrument_id) AND v.day = n.day
    CROSS JOIN LATERAL (
        -- what was taken back for lying outside a lifetime is compared with nothing, and lies within one again
        SELECT CASE WHEN n.compared_with IS NULL THEN n.state = 'held'
                    ELSE n.compared_with <> CASE WHEN l.perpetual THEN store.compared_with(n.compared_with >= 0, v.index_price, v.others)
                         ELSE store.compared_with(n.compared_with >= 0, v.perpetual, coalesce(v.index_price, 0) + coalesce(v.others, 0)) END
               END AS changed) AS c
    WHERE n.state = 'pending' OR c.changed
)
SELECT CASE WHEN l.perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, l.label AS instrument, u.day,
       CASE WHEN l.perpetual THEN store.awaited_funding(l.instrument_id, d.begins, d.ends)
            ELSE store.awaited_candles(u.perpetual_id, d.begins, d.ends) END AS waits_for,
       u.blocked_by, u.loaded
FROM unsettled u JOIN life l USING (instrument_id)
CROSS JOIN LATERAL (
    SELECT greatest(u.day::timestamp AT TIME ZONE 'UTC', l.begins) AS begins, least((u.day + 1)::timestamp AT TIME ZONE 'UTC', l.ends) AS ends) AS d
