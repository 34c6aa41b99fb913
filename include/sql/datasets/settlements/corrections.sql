-- Every value of a settlement that differs between a version that was once shown and the next one that was, and when that was
-- published. Grain: key, field. Reads only.
SELECT 'settlements' AS dataset, i.label AS instrument, o.day, o.settled_at AS ts, u.field, u.old, u.new, v.validated_at AS corrected_at,
       v.validation_id, o.version_id AS old_version_id, n.version_id AS new_version_id
FROM store.settlement o
JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL (SELECT c.* FROM store.settlement c
                    WHERE c.instrument_id = o.instrument_id AND c.day = o.day AND c.type = o.type AND c.version_id > o.version_id AND NOT isempty(c.shown)
                    ORDER BY c.version_id LIMIT 1) AS n
JOIN store.validation v ON v.validation_id = lower(n.shown)
CROSS JOIN LATERAL (VALUES ('position', o.position, n.position), ('mark_price', o.mark_price, n.mark_price),
                           ('index_price', o.index_price, n.index_price), ('profit_loss', o.profit_loss, n.profit_loss),
                           ('session_profit_loss', o.session_profit_loss, n.session_profit_loss), ('funding', o.funding, n.funding)) AS u(field, old, new)
WHERE o.state IN ('held', 'superseded') AND NOT isempty(o.shown) AND u.old IS DISTINCT FROM u.new
