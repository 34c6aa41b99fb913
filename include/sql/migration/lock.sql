-- One start at a time; held until the connection closes. Grain: the database. May run twice.
SELECT pg_advisory_lock(%(key)s)
