-- Each index and its proxy today: the funding chart of that perpetual has the last eight hours of the index, in one request.
-- Grain: index. Reads only.
SELECT p.index_name AS subject, p.perpetual AS instrument, p.perpetual_id AS instrument_id, %(from)s::timestamptz AS begins,
       %(to)s::timestamptz AS ends, 1 AS requests
FROM store.index_proxy p
WHERE p.settlement_currency = ANY(%(currencies)s)
  AND (now() AT TIME ZONE 'UTC')::date >= p.from_day AND (now() AT TIME ZONE 'UTC')::date < p.past_day
ORDER BY p.index_name
