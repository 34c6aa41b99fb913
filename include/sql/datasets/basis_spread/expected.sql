-- What there should be of the basis: of each future the days on which it has a perpetual. Grain: future. Reads only. Columns
-- as of the candles' expected.
SELECT 'basis_spread' AS kind, 'basis_spread' AS dataset, l.instrument_id::text AS subject, l.label AS instrument, l.settlement_period,
       greatest(l.counts_from, min(greatest(f.perpetual_begins, f.from_day::timestamp AT TIME ZONE 'UTC'))) AS begins,
       least(l.counts_to, max(least(f.perpetual_ends, f.past_day::timestamp AT TIME ZONE 'UTC'))) AS ends, 60 AS seconds, false AS loadable
FROM store.collected_lifetime l JOIN store.future f USING (instrument_id)
GROUP BY l.instrument_id, l.label, l.settlement_period, l.counts_from, l.counts_to
