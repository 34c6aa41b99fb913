-- The files that were applied. Grain: a file. Reads only.
SELECT name, sha256 FROM public.schema_migration ORDER BY name
