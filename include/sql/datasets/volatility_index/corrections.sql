-- Every value of an hour that differs between a published version and the next version that was published, and when that was
-- published. Grain: key, field. Reads only.
SELECT 'volatility_index' AS dataset, o.currency AS instrument, (o.ts AT TIME ZONE 'UTC')::date AS day, o.ts, u.field, u.old, u.new,
       v.validated_at AS corrected_at, v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.volatility_index o
CROSS JOIN LATERAL (SELECT c.* FROM store.volatility_index c
                    WHERE c.currency = o.currency AND c.ts = o.ts AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
CROSS JOIN LATERAL (VALUES ('open', o.open, n.open), ('high', o.high, n.high), ('low', o.low, n.low), ('close', o.close, n.close)) AS u(field, old, new)
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND u.old IS DISTINCT FROM u.new
