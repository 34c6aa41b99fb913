-- The currencies whose newest summary names futures or perpetuals that the catalogue lacks, with these names; whose listed ones were read
-- longest ago first. It lacks a name, too, of which all that it has had ended before the beat: that is listed again. (The summary of the beat at
-- which a contract ends was made shortly before and names it.) A summary may go on with a name after its end, so such a one is not looked
-- for any more when the summary of ten minutes before the last reading had it already.
-- None that was read within two minutes, nor one that was never read, which the daily reading does; and none while a request for the
-- catalogue waits for its turn. Grain: currency. Reads only. Parameters: currencies.
SELECT c.currency, array_agg(n.name ORDER BY n.name) AS names
FROM unnest(%(currencies)s::text[]) AS c(currency)
JOIN store.catalogue_reading a ON a.currency = c.currency AND a.kind = 'future' AND NOT a.expired
CROSS JOIN LATERAL (SELECT v.beat, v.roster_id FROM store.instrument_summary v
                    WHERE v.currency = c.currency AND v.state IN ('pending', 'published')
                    ORDER BY v.beat DESC, v.version_id DESC LIMIT 1) AS s
JOIN store.roster r ON r.roster_id = s.roster_id
LEFT JOIN LATERAL (SELECT v.beat, b.instruments FROM store.instrument_summary v JOIN store.roster b USING (roster_id)
                   WHERE v.currency = c.currency AND v.state IN ('pending', 'published') AND v.beat <= a.read_at - interval '10 minutes'
                   ORDER BY v.beat DESC, v.version_id DESC LIMIT 1) AS before ON true
CROSS JOIN LATERAL unnest(r.instruments) AS n(name)
CROSS JOIN LATERAL (SELECT max(i.expires_at) AS ended_at FROM store.instrument i WHERE i.instrument = n.name) AS known
WHERE a.read_at < now() - interval '2 minutes'
  AND (known.ended_at IS NULL
       OR known.ended_at < s.beat AND (before.beat > known.ended_at AND n.name = ANY(before.instruments)) IS NOT TRUE)
  AND NOT EXISTS (SELECT FROM store.rate_limit p WHERE p.bucket = 'instruments' AND p.slots[cardinality(p.slots)] > clock_timestamp())
GROUP BY c.currency, a.read_at ORDER BY a.read_at, c.currency
