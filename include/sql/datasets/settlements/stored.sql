-- What is stored of the settlements, by month: present are the days of which one is published, or waits or is held back with none
-- published. Grain: instrument, month, and whether it is published. Reads only.
SELECT 'settlements' AS kind, instrument_id::text AS subject, month, days AS present, days AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT instrument_id, date_trunc('month', day::timestamp)::date AS month, count(*) AS days
      FROM (SELECT DISTINCT instrument_id, day FROM store.settlement WHERE state = 'published') AS days GROUP BY 1, 2) AS months
UNION ALL
SELECT 'settlements', s.instrument_id::text, date_trunc('month', s.day::timestamp)::date, count(DISTINCT s.day), 0, 0
FROM store.settlement s
WHERE s.state IN ('pending', 'held') AND NOT EXISTS (
    SELECT FROM store.settlement n WHERE n.instrument_id = s.instrument_id AND n.day = s.day AND n.state = 'published')
GROUP BY 1, 2, 3
