-- Nothing is ever corrected: the exchange tells a snapshot once. Grain: none. Reads only. Columns as of the candles' corrections.
SELECT NULL::text AS dataset, NULL::text AS instrument, NULL::date AS day, NULL::timestamptz AS ts, NULL::text AS field, NULL::float8 AS old,
       NULL::float8 AS new, NULL::timestamptz AS corrected_at, NULL::bigint AS validation_id, NULL::bigint AS old_version_id, NULL::bigint AS new_version_id
WHERE false
