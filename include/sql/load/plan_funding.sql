-- The perpetuals whose funding reaches into an interval, and from where. Grain: an instrument. Reads only.
SELECT i.instrument_id, i.instrument, greatest(s.first_hour - interval '1 hour', %(from)s) AS begins, %(to)s AS ends
FROM store.funding_start s JOIN store.instrument i USING (instrument_id)
WHERE s.first_hour <= %(to)s AND i.settlement_currency = ANY(%(currencies)s)
ORDER BY i.instrument
