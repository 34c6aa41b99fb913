-- How much a validation found that wasn't open before it: a key and rule each. Grain: a validation. Reads only.
SELECT count(*) AS news FROM store.quarantine q
WHERE q.validation_id = %(validation_id)s AND q.waived_reason IS NULL AND NOT EXISTS (
    SELECT FROM store.quarantine known
    WHERE known.dataset = q.dataset AND known.subject = q.subject AND known.rule = q.rule AND known.validation_id <> q.validation_id
      AND (known.closed_by IS NULL OR known.closed_by = q.validation_id))
