-- Every version of every snapshot. Grain: currency, beat, version. Reads only. Columns as of the candles' provenance, in snapshots.
SELECT 'instrument_summaries' AS dataset, s.currency AS instrument, (s.beat AT TIME ZONE 'UTC')::date AS day, s.beat AS ts, s.version_id,
       s.state, s.validation_id, 1 AS present, 1 AS expected
FROM store.summary_beat s
