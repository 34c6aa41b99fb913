-- Every version of every settlement. Grain: instrument, day, type, version. Reads only. Columns as in candles/provenance.sql, in days;
-- ts distinguishes a settlement from a delivery of the same day.
SELECT 'settlements' AS dataset, i.label AS instrument, s.day, s.settled_at AS ts, s.version_id, s.state, s.validation_id,
       1 AS present, 1 AS expected
FROM store.settlement s JOIN store.instrument i USING (instrument_id)
