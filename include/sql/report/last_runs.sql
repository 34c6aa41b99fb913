-- The newest run of each dataset that stored something, and the newest that validated: what they did. Grain: dataset. Reads only.
WITH stored AS (
    SELECT l.dataset, l.run_id, count(DISTINCT l.subject) AS subjects, sum(l.added)::bigint AS added, sum(l.grown)::bigint AS grown,
           sum(l.corrected)::bigint AS corrected, max(l.loaded_at) AS stored_at
    FROM store.ingestion l
    JOIN (SELECT DISTINCT ON (dataset) dataset, run_id FROM store.ingestion ORDER BY dataset, version_id DESC) AS newest USING (dataset, run_id)
    GROUP BY l.dataset, l.run_id
), validated AS (
    SELECT DISTINCT ON (dataset) dataset, run_id, validated_at, outcome, rows_checked, interval_from, interval_to, minutes, missing
    FROM store.validation ORDER BY dataset, validation_id DESC
)
SELECT dataset, s.stored_at, s.run_id AS stored_by, s.subjects, s.added, s.grown, s.corrected,
       v.validated_at, v.run_id AS validated_by, v.interval_from, v.interval_to, v.outcome, v.rows_checked, v.minutes AS expected, v.missing
FROM stored s FULL JOIN validated v USING (dataset)
ORDER BY dataset
