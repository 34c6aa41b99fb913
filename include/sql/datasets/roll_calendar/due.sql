-- How many rolls are to be computed from what is published now. Grain: the dataset. Reads only.
SELECT count(*) AS days FROM store.rolls_due(NULL, NULL)
