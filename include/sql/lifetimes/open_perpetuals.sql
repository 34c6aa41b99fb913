-- Perpetuals whose lifetime the catalogue leaves open, and the end that was found of each. Grain: an instrument. Reads only.
-- Parameters: currencies.
--   is_listed  the live host lists it;  listed_until  when it was last found in that list, NULL: never
--   is_active  the catalogue does not say that it is inactive
--   stored_hour, stored_trade  the ends of the newest hour of funding and of the newest minute with a trade that are stored, of those that
--                              are not listed or not active: the exchange may not know such a one any more
SELECT i.instrument_id, i.instrument, i.label, i.listed_at, e.ends_at, l.is_listed, p.read_at AS listed_until,
       i.is_active IS NOT FALSE AS is_active, s.stored_hour, s.stored_trade
FROM store.instrument i LEFT JOIN store.delisting e USING (instrument_id)
LEFT JOIN store.listed_perpetual p ON p.currency = i.settlement_currency AND p.instrument = i.instrument
CROSS JOIN LATERAL (SELECT store.is_listed(i) AS is_listed OFFSET 0) AS l
LEFT JOIN LATERAL (
    SELECT (SELECT max(f.ts) FROM store.funding_rate f WHERE f.instrument_id = i.instrument_id) AS stored_hour,
           greatest((SELECT (c.day::timestamp AT TIME ZONE 'UTC')
                            + (SELECT max(m) + 1 FROM generate_series(0, 1439) AS m WHERE get_bit(c.traded, m) = 1) * interval '1 minute'
                     FROM store.candle_day c WHERE c.instrument_id = i.instrument_id AND position(B'1' IN c.traded) > 0
                     ORDER BY c.day DESC, c.version_id DESC LIMIT 1),
                    (SELECT o.ts + interval '1 minute' FROM store.open_candle o WHERE o.instrument_id = i.instrument_id AND o.volume > 0
                     ORDER BY o.ts DESC LIMIT 1)) AS stored_trade
    ) AS s ON NOT (l.is_listed AND i.is_active IS NOT FALSE)
WHERE i.kind = 'future' AND i.settlement_period = 'perpetual' AND i.settlement_currency = ANY(%(currencies)s)
  AND i.expires_at > now()
ORDER BY i.instrument, i.instrument_id
