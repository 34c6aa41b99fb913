-- The currencies whose newest summary names futures or perpetuals that the catalogue lacks, with these names; whose listed ones were read
-- longest ago first. None that was read within two minutes, nor one that was never read, which the daily reading does; and none while
-- a request for the catalogue waits for its turn. Grain: currency. Reads only. Parameters: currencies.
SELECT c.currency, array_agg(n.name ORDER BY n.name) AS names
FROM unnest(%(currencies)s::text[]) AS c(currency)
JOIN store.catalogue_reading a ON a.currency = c.currency AND a.kind = 'future' AND a.host = 'live' AND NOT a.expired
CROSS JOIN LATERAL (SELECT v.roster_id FROM store.instrument_summary v
                    WHERE v.currency = c.currency AND v.state IN ('pending', 'published')
                    ORDER BY v.beat DESC, v.version_id DESC LIMIT 1) AS s
JOIN store.roster r ON r.roster_id = s.roster_id
CROSS JOIN LATERAL unnest(r.instruments) AS n(name)
WHERE a.read_at < now() - interval '2 minutes'
  AND NOT EXISTS (SELECT FROM store.instrument i WHERE i.instrument = n.name)
  AND NOT EXISTS (SELECT FROM store.rate_limit p WHERE p.bucket = 'instruments' AND p.slots[cardinality(p.slots)] > clock_timestamp())
GROUP BY c.currency, a.read_at ORDER BY a.read_at, c.currency
