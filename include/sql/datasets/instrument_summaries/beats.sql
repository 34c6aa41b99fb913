-- The beats of which there is a snapshot. Grain: currency, beat. Reads only.
SELECT 'instrument_summaries' AS dataset, currency, beat FROM store.summary_beat
