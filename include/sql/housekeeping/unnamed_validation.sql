-- Finds validations of before a moment that nothing names any more: no version is in its state by them or was published or taken
-- away by them (so as_of answers as before), and no finding is theirs or was closed by them. Of a dataset and month the newest one
-- stays. Grain: validation. May run twice, on an empty stage. Parameters: before.
INSERT INTO unnamed_record (id)
SELECT v.validation_id
FROM store.validation v
WHERE v.validated_at < %(before)s
  AND NOT EXISTS (SELECT FROM ({named}) AS n(id) WHERE n.id = v.validation_id)
  AND v.validation_id NOT IN (SELECT max(validation_id) FROM store.validation GROUP BY dataset, date_trunc('month', interval_from, 'UTC'))
