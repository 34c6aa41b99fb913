-- Days of a future that were computed and wait to be validated. Grain: future, day. Reads only. Nothing is awaited: what it is computed from is published.
SELECT 'basis_spread' AS dataset, i.label AS instrument, x.day, NULL::text AS waits_for, x.validation_id AS blocked_by, false AS loaded
FROM store.basis_day x JOIN store.instrument i USING (instrument_id) WHERE x.state = 'pending'
