-- Every version of every expiry of a snapshot. Grain: series, beat, version. Reads only. Columns as of the candles' provenance, in
-- expiries.
SELECT 'options_chain' AS dataset, c.series AS instrument, (c.beat AT TIME ZONE 'UTC')::date AS day, c.beat AS ts, c.version_id,
       c.state, c.validation_id, 1 AS present, 1 AS expected
FROM store.option_chain c
