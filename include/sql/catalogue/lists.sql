-- The lists of the futures of these currencies, and whether each was read since an instant. Grain: currency, list; in the order of the
-- currencies. Reads only. Parameters: currencies, since, expired: the lists of expired futures, too.
SELECT c.currency, q.host, q.expired, coalesce(r.read_at >= %(since)s, false) AS is_read
FROM unnest(%(currencies)s::text[]) WITH ORDINALITY AS c(currency, place)
CROSS JOIN (VALUES ('live', false), ('live', true), ('history', true)) AS q(host, expired)
LEFT JOIN store.catalogue_reading r ON r.currency = c.currency AND r.kind = 'future' AND r.host = q.host AND r.expired = q.expired
WHERE %(expired)s OR NOT q.expired
ORDER BY c.place, q.host, q.expired
