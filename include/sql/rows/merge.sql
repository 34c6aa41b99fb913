-- Adds the staged rows that differ from the newest version stored. Grain: a key. May run twice, or several times at once (the caller
-- holds the subject's lock): an equal row writes nothing, and a version that is replaced and was never published is deleted. The
-- published version stays until a newer one has passed. Rows are locked in the order of their keys, so that two can't deadlock.
WITH newest AS (
    -- each by its key and no other way (LIMIT 1): of a stage nobody knows how long it is, and a plan may read the whole table
    SELECT n.* FROM {stage} t CROSS JOIN LATERAL (SELECT * FROM {table} n WHERE {same_n_t} ORDER BY n.version_id DESC LIMIT 1) AS n
), compared AS (
    SELECT s.*, CASE WHEN t.version_id IS NULL THEN 'added'
                     WHEN ({values_of_s}) IS NOT DISTINCT FROM ({values_of_t}) THEN 'unchanged'
                     ELSE 'corrected' END AS outcome
    FROM {stage} s LEFT JOIN newest t USING ({key})
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'added') AS added, count(*) FILTER (WHERE outcome = 'corrected') AS corrected,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged
    FROM compared
), loaded AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, added, 0, corrected
    FROM counted WHERE added + corrected > 0
    RETURNING version_id
), written AS (
    INSERT INTO {table} ({key}, version_id, {values})
    SELECT {key}, version_id, {values} FROM compared CROSS JOIN loaded WHERE outcome <> 'unchanged' ORDER BY {key}
), outdated AS (
    -- by their keys, too (OFFSET): during a catchup most of a table waits to be decided on, which the statistics don't know yet
    SELECT o.* FROM (SELECT {key} FROM compared WHERE outcome = 'corrected' ORDER BY {key}) AS s
    CROSS JOIN LATERAL (SELECT {key_of_t}, t.version_id FROM {table} t
                        WHERE {same_t_s} AND t.state IN ('pending', 'held') AND isempty(t.shown)
                        ORDER BY t.version_id OFFSET 0 FOR UPDATE OF t) AS o
), replaced AS (
    DELETE FROM {table} t USING outdated o WHERE {same_t_o} AND t.version_id = o.version_id
)
SELECT added, 0 AS grown, corrected, 0 AS kept, unchanged FROM counted
