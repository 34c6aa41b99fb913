-- What of that which is looked at has an open incident. Grain: a fingerprint. Reads only. Parameters: rules.
SELECT kind, dataset, rule, instruments FROM store.incident
WHERE resolved_at IS NULL AND kind = 'watch' AND rule = ANY (%(rules)s)
