-- The instruments an attempt was done with before it waited. Grain: an instrument. Reads only.
SELECT DISTINCT unnest(finished) AS instrument_id FROM store.waiting WHERE attempt = %(attempt)s
