-- What comes back before anybody was told of its end was not over. Grain: an incident. May run twice. Parameters: the
-- fingerprint.
UPDATE store.incident SET resolved_at = NULL
WHERE kind = %(kind)s AND dataset = %(dataset)s AND rule = %(rule)s AND instruments = %(instruments)s
  AND resolved_at IS NOT NULL AND end_told_at IS NULL AND (telling_at IS NULL OR telling_at < now() - interval '2 minutes')
  AND NOT EXISTS (SELECT FROM store.incident o WHERE o.kind = %(kind)s AND o.dataset = %(dataset)s AND o.rule = %(rule)s
                  AND o.instruments = %(instruments)s AND o.resolved_at IS NULL)
