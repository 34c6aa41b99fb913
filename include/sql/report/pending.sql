-- How many days of what is computed wait: to be computed from what is published now, or to be validated; also where a
-- validation blocked them. Grain: dataset.
-- Reads only.
SELECT dataset, days FROM (
    SELECT 'index_prices' AS dataset, (SELECT count(*) FROM store.index_due(NULL, NULL))
           + (SELECT count(*) FROM store.index_day WHERE state = 'pending') AS days
    UNION ALL
    SELECT 'basis_spread', (SELECT count(*) FROM store.basis_due(NULL, NULL))
           + (SELECT count(*) FROM store.basis_day WHERE state = 'pending')) AS waiting
WHERE days > 0
