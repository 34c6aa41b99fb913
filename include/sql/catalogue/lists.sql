-- The lists of the futures of these currencies: whether each was read since an instant and, where it was not, why it was refused since.
-- Grain: currency, list; in the order of the currencies. Reads only. Parameters: currencies, since, expired: the lists of expired
-- futures, too.
SELECT c.currency, q.host, q.expired, l.is_read, CASE WHEN NOT l.is_read AND f.refused_at >= %(since)s THEN f.cause END AS refused
FROM unnest(%(currencies)s::text[]) WITH ORDINALITY AS c(currency, place)
CROSS JOIN store.list_of_futures q
LEFT JOIN store.catalogue_reading r ON r.currency = c.currency AND r.kind = 'future' AND r.host = q.host AND r.expired = q.expired
LEFT JOIN store.refused_list f ON f.currency = c.currency AND f.kind = 'future' AND f.host = q.host AND f.expired = q.expired
CROSS JOIN LATERAL (SELECT coalesce(r.read_at >= %(since)s, false) AS is_read) AS l
WHERE %(expired)s OR NOT q.expired
ORDER BY c.place, q.host, q.expired
