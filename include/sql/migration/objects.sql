-- The views and functions of the two schemas, as DROP names them. Grain: one each, the newest first: what rests on
-- another was made after it. Reads only.
SELECT o.object
FROM (SELECT c.oid, 'VIEW ' || c.oid::regclass AS object FROM pg_class c
      WHERE c.relkind = 'v' AND c.relnamespace::regnamespace::text IN ('public', 'store')
      UNION ALL
      SELECT p.oid, 'FUNCTION ' || p.oid::regprocedure FROM pg_proc p
      WHERE p.pronamespace::regnamespace::text IN ('public', 'store')) AS o
ORDER BY o.oid DESC
