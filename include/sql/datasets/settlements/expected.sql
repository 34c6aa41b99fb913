-- What there should be of the settlements: every 08:00 UTC of a lifetime, the last one included. Grain: instrument. Reads only.
-- Columns as of the candles' expected.
SELECT 'settlements' AS kind, 'settlements' AS dataset, l.instrument_id::text AS subject, l.label AS instrument, l.settlement_period,
       greatest(c.since, (((l.begins - interval '8 hours') AT TIME ZONE 'UTC')::date + 1)::timestamp AT TIME ZONE 'UTC') AS begins,
       least(date_trunc('month', now(), 'UTC'), (((l.ends - interval '8 hours') AT TIME ZONE 'UTC')::date + 1)::timestamp AT TIME ZONE 'UTC') AS ends,
       86400 AS seconds, true AS loadable, NULL::text AS fetched_as
FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency
