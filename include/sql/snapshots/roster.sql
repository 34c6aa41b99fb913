-- The roster of some instruments, made if there is none. Grain: a roster. May run twice: it is made once. Parameters:
-- instruments (text[], in their order), beat (of the snapshot).
WITH told AS (
    SELECT n.instruments, md5(array_to_string(n.instruments, ' '))::uuid AS digest FROM (SELECT %(instruments)s::text[] AS instruments) AS n
), known AS (
    SELECT r.roster_id FROM store.roster r JOIN told USING (digest)
), made AS (
    INSERT INTO store.roster (digest, first_beat, instruments)
    SELECT digest, %(beat)s, instruments FROM told WHERE NOT EXISTS (SELECT FROM known)
    RETURNING roster_id
)
SELECT roster_id FROM known UNION ALL SELECT roster_id FROM made
