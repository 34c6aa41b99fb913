-- Notes which views and functions were made, in the transaction that made them. Grain: the database. May run twice.
INSERT INTO public.schema_migration (name, sha256, objects) VALUES (%(name)s, %(sha256)s, %(objects)s)
ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, objects = excluded.objects, applied_at = now()
