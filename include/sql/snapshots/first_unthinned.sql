-- The first beat before an hour that belongs to a stretch of time of which more than one snapshot an hour is kept; NULL where there is
-- none. Grain: the dataset. Reads only. Parameters: dataset, before (a full hour).
SELECT min(begins) AS begins FROM store.snapshot_beat WHERE dataset = %(dataset)s AND seconds < 3600 AND begins < %(before)s
