-- Brings stored days back into the lifetimes they belong to, where a listing, an expiry or an end was learned later: a day
-- that reaches beyond is cut, one that lies outside leaves the views and stays to be looked at, and what was computed from
-- it goes. What was computed from a day that is cut is cut with it: it is computed when it is read. Grain: instrument-day and version. May run twice: a day within its lifetime is left alone. Rows are
-- locked in the order of their keys, as a load and a publication do.
WITH beyond AS (
    SELECT c.instrument_id, c.day, c.version_id, c.first_minute, c.validation_id IS NOT NULL AS is_published,
           coalesce(k.first, 0) AS first, greatest(coalesce(k.past - k.first, 0), 0) AS n
    FROM store.candle_day c
    JOIN store.instrument i ON i.instrument_id = c.instrument_id AND i.kind = 'future'
    LEFT JOIN store.lifetime l ON l.instrument_id = c.instrument_id
    LEFT JOIN LATERAL store.clip_minutes(c.day, c.first_minute, c.n, l.begins, l.ends) AS k ON l.instrument_id IS NOT NULL
    WHERE k.first IS NULL OR k.past - k.first < c.n
    ORDER BY c.instrument_id, c.day, c.version_id FOR UPDATE OF c
), cut AS (
    UPDATE store.candle_day t SET
        first_minute = b.first, n = b.n, present = b.n - cardinality(array_positions(t.open[w.at : w.past], NULL)),
        open = t.open[w.at : w.past], high = t.high[w.at : w.past], low = t.low[w.at : w.past], close = t.close[w.at : w.past],
        volume = t.volume[w.at : w.past], cost = t.cost[w.at : w.past]
    FROM beyond b
    CROSS JOIN LATERAL (SELECT b.first - b.first_minute + 1 AS at, b.first - b.first_minute + b.n AS past) AS w
    WHERE b.n > 0 AND t.instrument_id = b.instrument_id AND t.day = b.day AND t.version_id = b.version_id
    RETURNING t.instrument_id, t.day, t.version_id, t.present, b.is_published
), taken_back AS (
    UPDATE store.candle_day t SET validation_id = NULL
    FROM beyond b
    WHERE b.n = 0 AND b.is_published AND t.instrument_id = b.instrument_id AND t.day = b.day AND t.version_id = b.version_id
    RETURNING t.instrument_id, t.day, true AS is_published
), changed AS (
    SELECT instrument_id, is_published FROM cut UNION ALL SELECT instrument_id, is_published FROM taken_back
), less_basis AS (
    UPDATE store.basis_day t SET minutes = least(t.minutes, d.present)
    FROM cut d WHERE t.day = d.day AND (d.instrument_id, d.version_id) IN ((t.instrument_id, t.version_id), (t.perpetual_id, t.perpetual_version_id))
), no_basis AS (
    DELETE FROM store.basis_day t USING taken_back d
    WHERE t.day = d.day AND d.instrument_id IN (t.instrument_id, t.perpetual_id)
), no_index AS (
    DELETE FROM store.index_day t USING taken_back d WHERE t.day = d.day AND t.perpetual_id = d.instrument_id
)
SELECT i.label AS instrument, count(*) FILTER (WHERE c.is_published) AS days
FROM changed c JOIN store.instrument i USING (instrument_id) GROUP BY i.instrument_id, i.label ORDER BY i.label
