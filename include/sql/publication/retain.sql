-- Says from when on every version that was ever published is kept; never an earlier moment than was said before. Grain: the
-- database. May run twice.
INSERT INTO store.retention AS r (kept_from) VALUES (%(kept_from)s)
ON CONFLICT (only_one) DO UPDATE SET kept_from = excluded.kept_from WHERE r.kept_from < excluded.kept_from
