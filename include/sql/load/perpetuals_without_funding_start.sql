-- Perpetuals whose first funding hour was never looked for. Grain: an instrument. Reads only.
SELECT i.instrument_id, i.instrument, i.listed_at
FROM store.instrument i LEFT JOIN store.funding_start s USING (instrument_id)
WHERE i.kind = 'future' AND i.settlement_period = 'perpetual' AND s.instrument_id IS NULL
  AND i.settlement_currency = ANY(%(currencies)s)
ORDER BY i.instrument
