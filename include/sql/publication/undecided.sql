-- How many versions no validation has decided on, and how many one has blocked. Grain: the table. Reads only.
SELECT count(*) FILTER (WHERE validation_id IS NULL) AS waiting, count(validation_id) AS blocked FROM {table} WHERE state = 'pending'
