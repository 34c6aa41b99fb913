-- Whether the last 35 days can be used, and why not: a closed month is among them. Grain: dataset, day. Reads only.
SELECT dataset, day, condition, expected, published, held, pending, missing, why
FROM dataset_condition WHERE day >= (now() AT TIME ZONE 'UTC')::date - 35 ORDER BY dataset, day
