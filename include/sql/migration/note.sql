-- Notes that a file was applied, in the file's own transaction. Grain: a file. Does not run twice: the name is the key.
INSERT INTO public.schema_migration (name, sha256) VALUES (%(name)s, %(sha256)s)
