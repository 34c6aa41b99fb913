-- Deletes what was kept beside snapshots that are gone. Grain: a snapshot. May run twice. Parameters: from, to (beats [from, to)).
DELETE FROM {beside} b WHERE b.beat >= %(from)s AND b.beat < %(to)s AND NOT EXISTS (SELECT FROM {table} t WHERE t.currency = b.currency AND t.beat = b.beat)
