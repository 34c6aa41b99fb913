-- Every column in which a load (a row of store.ingestion) or a validation is named: what a foreign key says, and what the column's
-- name or type does: *version_id, *validation_id, arrays of them, and ranges of validations. form: one, elements, ranges. Grain: column. Reads only. A table that comes later is
-- in it by itself.
SELECT CASE WHEN f.confrelid = 'store.ingestion'::regclass OR a.attname ~ 'version_ids?$' THEN 'ingestion' ELSE 'validation' END AS named,
       c.relname AS relation, a.attname AS referring, CASE a.atttypid WHEN 'int8multirange'::regtype THEN 'ranges' WHEN 'bigint[]'::regtype THEN 'elements' ELSE 'one' END AS form
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_constraint f ON f.contype = 'f' AND f.conrelid = c.oid AND f.conkey = ARRAY[a.attnum]
                         AND f.confrelid IN ('store.ingestion'::regclass, 'store.validation'::regclass)
WHERE c.relnamespace = 'store'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('ingestion', 'validation')
  AND (f.oid IS NOT NULL OR a.attname ~ '(version|validation)_id$' AND a.atttypid = 'bigint'::regtype
       OR a.attname ~ '(version|validation)_ids$' AND a.atttypid = 'bigint[]'::regtype OR a.atttypid = 'int8multirange'::regtype)
ORDER BY 1, 2, 3
