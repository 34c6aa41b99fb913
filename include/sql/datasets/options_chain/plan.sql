-- The collected currencies, a question each: what is listed the answer says, and the catalogue only knows later. Grain: currency.
-- Reads only. Parameters: from, to, currencies.
SELECT c AS subject, c AS instrument, NULL::integer AS instrument_id, %(from)s::timestamptz AS begins, %(to)s::timestamptz AS ends, 1 AS requests
FROM unnest(%(currencies)s::text[]) AS c ORDER BY c
