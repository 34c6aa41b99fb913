-- Every version of every roll: of those that are published or are the newest, the days on which the series of rank 0 holds what
-- they roll to, as far as there are candles; every other one on the day of its roll, with no day to its name. Grain: series, day,
-- version. Reads only. Columns as of the candles' provenance, in days; instrument is the series (family, rule, eligible).
WITH version AS (
    SELECT r.*, concat_ws(' ', c.family, r.rule, r.eligible) AS series, c.past_day AS contract_past, c.expires_at, x.last_day,
           row_number() OVER (PARTITION BY r.instrument_id, r.rule, r.eligible, r.rank ORDER BY r.version_id DESC) = 1 AS is_newest
    FROM store.roll r JOIN store.roll_contract c USING (instrument_id, rule, eligible) JOIN store.roll_extent x USING (family)
), shown AS (
    SELECT v.*, lead(v.day) OVER (PARTITION BY v.series ORDER BY v.day, v.expires_at) AS next_day
    FROM version v WHERE v.state = 'published' AND v.rank = 0 AND NOT v.skipped
), newest AS (
    SELECT v.*, lead(v.day) OVER (PARTITION BY v.series ORDER BY v.day, v.expires_at) AS next_day
    FROM version v WHERE v.is_newest AND v.state IN ('pending', 'held', 'published') AND v.rank = 0 AND NOT v.skipped
), held AS (
    SELECT * FROM shown UNION ALL SELECT * FROM newest WHERE state <> 'published'
)
SELECT 'roll_calendar' AS dataset, h.series AS instrument, d::date AS day, NULL::timestamptz AS ts, h.version_id, h.state, h.validation_id,
       1 AS present, 1 AS expected
FROM held h
CROSS JOIN LATERAL generate_series(h.day::timestamp, least(h.next_day - 1, h.contract_past - 1, h.last_day)::timestamp, interval '1 day') AS d
UNION ALL
SELECT 'roll_calendar', v.series, v.day, NULL, v.version_id, v.state, v.validation_id, 0, 0
FROM version v
WHERE NOT EXISTS (SELECT FROM held h WHERE (h.instrument_id, h.rule, h.eligible, h.rank, h.version_id)
                                         = (v.instrument_id, v.rule, v.eligible, v.rank, v.version_id))
