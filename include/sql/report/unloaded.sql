-- Closed months of which something is expected and nothing was ever loaded. Grain: dataset and month. Reads only.
SELECT dataset, month, instruments FROM unloaded ORDER BY dataset, month
