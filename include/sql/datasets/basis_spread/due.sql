-- How many days are to be computed from what is published now. Grain: the dataset. Reads only.
SELECT count(*) AS days FROM store.basis_due(NULL, NULL)
