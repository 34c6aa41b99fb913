-- The newest results of each dataset but those of snapshots, for the data docs. Grain: validation. Reads only.
SELECT validation_id, result
FROM (SELECT validation_id, result, row_number() OVER (PARTITION BY dataset ORDER BY validation_id DESC) AS place
      FROM store.validation WHERE result IS NOT NULL AND dataset <> ALL (%(snapshots)s::text[])) AS placed
WHERE place <= %(keep)s
ORDER BY validation_id
