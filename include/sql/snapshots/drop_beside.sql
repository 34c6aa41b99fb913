-- Deletes what was kept beside snapshots that are gone. Grain: a snapshot. May run twice. Parameters: none.
DELETE FROM {beside} b WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.currency = b.currency AND t.beat = b.beat)
