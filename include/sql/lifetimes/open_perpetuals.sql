-- Perpetuals whose lifetime the catalogue leaves open, and the end that was found of each. Grain: an instrument. Reads only.
SELECT i.instrument_id, i.instrument, i.label, i.listed_at, e.ends_at
FROM store.instrument i LEFT JOIN store.delisting e USING (instrument_id)
WHERE i.kind = 'future' AND i.settlement_period = 'perpetual' AND i.settlement_currency = ANY(%(currencies)s)
  AND i.expires_at > now()
ORDER BY i.instrument, i.instrument_id
