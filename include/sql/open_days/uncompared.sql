-- Days before a day of which live minutes are kept, and of an instrument a closed day that they were not compared with yet, the oldest
-- first. Grain: day. Reads only. Parameters: before.
SELECT DISTINCT d.day
FROM (SELECT DISTINCT instrument_id, day FROM store.open_candle WHERE day < %(before)s) AS d
JOIN store.candle_day c ON c.instrument_id = d.instrument_id AND c.day = d.day AND c.state = 'published'
LEFT JOIN store.open_day k ON k.instrument_id = d.instrument_id AND k.day = d.day
WHERE k.version_id IS DISTINCT FROM c.version_id
ORDER BY d.day
