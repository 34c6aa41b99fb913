-- Counts what live had said of a day, beside the closed one, and keeps that. Grain: instrument, day, a row each; is_news: it differs, and
-- not as it was counted before. May run twice: the last word counts, and is no news. Parameters: day.
-- What live had missed of a day that was over when it came to it is counted and no news: then the day is closed before live has
-- loaded all of it, as after the first start.
WITH counted AS MATERIALIZED (
    SELECT l.*, coalesce((SELECT v.loaded_at FROM store.open_candle o JOIN store.ingestion v USING (version_id)
                          WHERE o.instrument_id = l.instrument_id AND o.ts >= l.day::timestamp AT TIME ZONE 'UTC'
                          ORDER BY o.ts, o.version_id LIMIT 1) < (l.day + 1)::timestamp AT TIME ZONE 'UTC', false) AS was_there
    FROM store.live_day l WHERE l.day = %(day)s
), kept AS (
    INSERT INTO store.open_day AS d (instrument_id, day, version_id, live_minutes, closed_minutes, missed, only_live, different, corrected)
    SELECT l.instrument_id, l.day, l.version_id, l.live_minutes, l.closed_minutes, l.missed, l.only_live, l.different, l.corrected
    FROM counted l
    ON CONFLICT (instrument_id, day) DO UPDATE
    SET version_id = excluded.version_id, live_minutes = excluded.live_minutes, closed_minutes = excluded.closed_minutes,
        missed = excluded.missed, only_live = excluded.only_live, different = excluded.different, corrected = excluded.corrected, compared_at = now()
)
SELECT i.label AS instrument, e.missed, c.only_live, c.different,
       e.missed + c.only_live + c.different > 0
           AND (c.missed, c.only_live, c.different) IS DISTINCT FROM (b.missed, b.only_live, b.different) AS is_news
FROM counted c JOIN store.instrument i USING (instrument_id)
CROSS JOIN LATERAL (SELECT CASE WHEN c.was_there THEN c.missed ELSE 0 END AS missed) AS e
LEFT JOIN store.open_day b ON b.instrument_id = c.instrument_id AND b.day = c.day
ORDER BY e.missed + c.only_live + c.different DESC, i.label
