-- How many slices of records there are to delete. Grain: one row {slices}. Reads only.
SELECT coalesce(max(slice) + 1, 0) AS slices FROM unnamed_record
