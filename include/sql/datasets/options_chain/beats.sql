-- The beats of which there is a snapshot. Grain: currency, beat. Reads only.
SELECT 'options_chain' AS dataset, currency, beat FROM store.option_chain
