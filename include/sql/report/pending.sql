-- How many days of what is computed wait: to be computed from what is published now, and to be validated. Grain: dataset.
-- Reads only.
SELECT dataset, days FROM (
    SELECT 'index_prices' AS dataset, (SELECT count(*) FROM store.index_due(NULL, NULL))
           + (SELECT count(*) FROM store.index_day WHERE state = 'pending' AND validation_id IS NULL) AS days
    UNION ALL
    SELECT 'basis_spread', (SELECT count(*) FROM store.basis_due(NULL, NULL))
           + (SELECT count(*) FROM store.basis_day WHERE state = 'pending' AND validation_id IS NULL)) AS waiting
WHERE days > 0
