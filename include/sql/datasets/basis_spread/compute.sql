-- Pairs every published futures day with its perpetual's: adds a version where the newest one of the day was computed from
-- others, or was withdrawn, and drops what was never decided on in its place. Grain: future, day. May run twice: an equal
-- pair writes nothing. Parameters: from, to (dates or NULL: everything), dataset, subject, host, run_id.
WITH pairs AS MATERIALIZED (
    SELECT * FROM store.basis_due(%(from)s::date, %(to)s::date)
), replaced AS (
    DELETE FROM store.basis_day b USING pairs p
    WHERE b.day >= coalesce(%(from)s::date, '-infinity') AND b.day < coalesce(%(to)s::date, 'infinity')
      AND b.day = p.day AND b.instrument_id = p.instrument_id AND b.state IN ('pending', 'held', 'withdrawn') AND isempty(b.shown)
), computed AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, count(*), 0, 0 FROM pairs HAVING count(*) > 0
    RETURNING version_id
)
INSERT INTO store.basis_day (instrument_id, day, version_id, future_version_id, perpetual_id, perpetual_version_id, minutes)
SELECT p.instrument_id, p.day, c.version_id, p.future_version_id, p.perpetual_id, p.perpetual_version_id, p.minutes
FROM pairs p CROSS JOIN computed c
ORDER BY p.day, p.instrument_id
