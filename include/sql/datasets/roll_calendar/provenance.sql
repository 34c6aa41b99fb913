-- Every version of every roll. Grain: contract rolled to, series, version. Reads only. Columns as of the candles' provenance, in
-- rolls; several series may roll to a contract on one day.
SELECT 'roll_calendar' AS dataset, i.label AS instrument, r.day, NULL::timestamptz AS ts, r.version_id, r.state, r.validation_id,
       1 AS present, 1 AS expected
FROM store.roll r JOIN store.instrument i USING (instrument_id)
