-- Perpetuals whose first funding hour was never looked for, and from when on to look: a day before the listing, in case
-- the two disagree, but not among the hours of an earlier one of the same name. ended: it has ended, or the exchange lists it
-- no more, or as inactive, so that it may not know it any more. Grain: an instrument. Reads only.
SELECT i.instrument_id, i.instrument,
       greatest(i.listed_at - interval '1 day',
                (SELECT max(p.expires_at) + interval '1 millisecond' FROM store.instrument p
                 WHERE p.instrument = i.instrument AND p.instrument_id <> i.instrument_id AND p.expires_at <= i.listed_at)) AS not_before,
       i.expires_at <= now() OR e.instrument_id IS NOT NULL OR i.is_active IS FALSE OR NOT store.is_listed(i) AS ended
FROM store.instrument i LEFT JOIN store.funding_start s USING (instrument_id) LEFT JOIN store.delisting e USING (instrument_id)
WHERE i.kind = 'future' AND i.settlement_period = 'perpetual' AND s.instrument_id IS NULL
  AND i.settlement_currency = ANY(%(currencies)s)
ORDER BY i.instrument, i.instrument_id
