-- Every version of every snapshot, and what became of its expiries. Grain: currency, beat, version, state. Reads only. Columns as
-- of the candles' provenance, in snapshots.
SELECT 'options_chain' AS dataset, c.currency AS instrument, (c.beat AT TIME ZONE 'UTC')::date AS day, c.beat AS ts, c.version_id,
       c.state, c.validation_id, 1 AS present, 1 AS expected
FROM store.option_chain c GROUP BY c.currency, c.beat, c.version_id, c.state, c.validation_id
