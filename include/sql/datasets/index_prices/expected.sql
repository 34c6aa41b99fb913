-- What there should be of the index: the days of the perpetuals that stand in for it. Grain: index and perpetual. Reads only.
-- Columns as of the candles' expected.
SELECT 'index_prices' AS kind, 'index_prices' AS dataset, x.perpetual_id::text AS subject, x.index_name AS instrument, NULL::text AS settlement_period,
       greatest(l.counts_from, x.from_day::timestamp AT TIME ZONE 'UTC') AS begins,
       least(l.counts_to, x.past_day::timestamp AT TIME ZONE 'UTC') AS ends, 60 AS seconds,
       false AS loadable, NULL::text AS fetched_as
FROM store.index_proxy x JOIN store.collected_lifetime l ON l.instrument_id = x.perpetual_id
