-- What there should be of the basis: of each future the days on which it has a perpetual. Grain: future. Reads only. Columns
-- as of the candles' expected.
SELECT 'basis_spread' AS kind, 'basis_spread' AS dataset, instrument_id::text AS subject, label AS instrument, settlement_period,
       counts_from AS begins, counts_to AS ends, 60 AS seconds, false AS loadable, NULL::text AS fetched_as
FROM store.basis_lifetime
