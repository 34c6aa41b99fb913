-- What there should be of the basis: of each future the days on which it has a perpetual. Grain: future. Reads only. Columns
-- as of the candles' expected.
SELECT 'basis_spread' AS kind, 'basis_spread' AS dataset, f.instrument_id::text AS subject, f.label AS instrument, f.settlement_period,
       greatest(f.listed_at, c.since, min(greatest(f.perpetual_begins, f.from_day::timestamp AT TIME ZONE 'UTC'))) AS begins,
       least(f.ends, date_trunc('month', now(), 'UTC'), max(least(f.perpetual_ends, f.past_day::timestamp AT TIME ZONE 'UTC'))) AS ends,
       60 AS seconds, false AS loadable
FROM store.future f JOIN store.collected c ON c.currency = f.settlement_currency
GROUP BY f.instrument_id, f.label, f.settlement_period, f.listed_at, f.ends, c.since
