-- Where it is written which files were applied. Grain: the database. May run twice.
CREATE TABLE IF NOT EXISTS public.schema_migration (
    name       text PRIMARY KEY,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    objects    text[]                                  -- of the views: what was made, as DROP names it
)
