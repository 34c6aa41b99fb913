-- The funding that should exist: the hours of the perpetuals' lifetimes from the first funded hour on. If that was not found yet, from
-- the listing on, but then no run can load it. Grain: instrument. Reads only. Columns as in candles/expected.sql.
SELECT 'funding_rates' AS kind, 'funding_rates' AS dataset, l.instrument_id::text AS subject, l.label AS instrument, l.settlement_period,
       greatest(l.counts_from, coalesce(s.first_hour - interval '1 hour', date_trunc('hour', l.begins, 'UTC'))) AS begins,
       date_trunc('hour', least(l.counts_to, l.funding_ends), 'UTC') AS ends, 3600 AS seconds,
       s.first_hour IS NOT NULL AS loadable, 'funding' AS fetched_as
FROM store.collected_lifetime l LEFT JOIN store.funding_start s USING (instrument_id) WHERE l.perpetual
