-- Whether anything is open or has yet to be told. Grain: one row {unsettled}. Reads only.
SELECT EXISTS (SELECT FROM store.incident WHERE resolved_at IS NULL OR told_at IS NULL OR end_told_at IS NULL) AS unsettled
