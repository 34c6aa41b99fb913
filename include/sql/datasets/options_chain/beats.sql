-- The beats of which there is a snapshot, as stretches from the first to the last, here of one each. Grain: currency, beat. Reads only.
SELECT DISTINCT 'options_chain' AS dataset, currency, beat AS first_beat, beat AS last_beat FROM store.option_chain
