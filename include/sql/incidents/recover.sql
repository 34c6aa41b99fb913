-- Part of what was wrong is well again; where nothing is left of it, the incident is over. Grain: an incident. May run twice.
-- Parameters: kinds, dataset; rule and instruments (NULL: any); part: what is well, an interval FROM/TO with all that lies in
-- it (they are written so that their order is that of time), or a name as it stands; NULL: all of it. An interval that was blocked
-- as one may be mended part by part: it is well with the part after which nothing of it is blocked any more.
WITH looked_at AS (
    SELECT incident_id, ARRAY(
        SELECT s FROM unnest(stands) AS s
        WHERE %(part)s::text IS NOT NULL AND s <> %(part)s::text
          AND NOT (s LIKE '%%/%%' AND %(part)s::text LIKE '%%/%%' AND CASE
              WHEN split_part(s, '/', 1) >= split_part(%(part)s::text, '/', 1) AND split_part(s, '/', 2) <= split_part(%(part)s::text, '/', 2)
                  THEN true
              WHEN kind = 'blocked' AND split_part(s, '/', 1) < split_part(%(part)s::text, '/', 2)
                                    AND split_part(s, '/', 2) > split_part(%(part)s::text, '/', 1)
                  THEN NOT EXISTS (SELECT FROM store.pending p
                                   WHERE p.dataset = %(dataset)s AND p.blocked_by IS NOT NULL
                                     AND p.day >= split_part(s, '/', 1)::date AND p.day < split_part(s, '/', 2)::timestamp)
              ELSE false END)
        ORDER BY 1) AS left_over
    FROM store.incident
    WHERE resolved_at IS NULL AND kind = ANY (%(kinds)s) AND dataset = %(dataset)s
      AND rule = coalesce(%(rule)s::text, rule) AND instruments = coalesce(%(instruments)s::text, instruments)
    ORDER BY incident_id FOR UPDATE
)
UPDATE store.incident i
SET stands = l.left_over, resolved_at = CASE WHEN cardinality(l.left_over) = 0 THEN now() END
FROM looked_at l WHERE i.incident_id = l.incident_id AND (l.left_over <> i.stands OR %(part)s::text IS NULL)
