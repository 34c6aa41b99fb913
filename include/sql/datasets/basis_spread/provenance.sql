-- Every version of every day of the basis; it names the pair of versions it was computed from (store.basis_day). Grain: future,
-- day, version. Reads only. Columns as of the candles' provenance.
SELECT 'basis_spread' AS dataset, i.label AS instrument, b.day, NULL::timestamptz AS ts, b.version_id, b.state, b.validation_id,
       b.minutes::integer AS present, b.minutes::integer AS expected
FROM store.basis_day b JOIN store.instrument i USING (instrument_id)
