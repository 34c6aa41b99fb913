-- Rolls that were computed and wait to be validated, by the day of the roll. Grain: contract rolled to, series. Reads only.
-- Nothing is awaited: what they are computed from is published.
SELECT 'roll_calendar' AS dataset, i.label AS instrument, x.day, NULL::text AS waits_for, x.validation_id AS blocked_by, false AS loaded
FROM store.roll x JOIN store.instrument i USING (instrument_id) WHERE x.state = 'pending'
