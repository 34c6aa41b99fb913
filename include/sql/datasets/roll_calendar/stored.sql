-- Days on which a series of rank 0 holds a contract, by month, as far as there are candles. Grain: family, rule, eligible, month.
-- Reads only.
WITH contract AS MATERIALIZED (  -- looked up roll by roll, each would be computed again
    SELECT instrument_id, rule, eligible, family, expires_at, past_day FROM store.roll_contract
)
SELECT 'roll_calendar' AS kind, concat_ws(' ', h.family, h.rule, h.eligible) AS subject, m.month::date AS month,
       sum(d.days) FILTER (WHERE NOT h.shown) AS present, sum(d.days) FILTER (WHERE h.shown) AS published_minutes, 0::bigint AS unreferenced_days
FROM (SELECT c.family, r.rule, r.eligible, r.shown, r.day, x.last_day,
             least(lead(r.day) OVER (PARTITION BY c.family, r.rule, r.eligible, r.shown ORDER BY r.day, c.expires_at), c.past_day) AS past_day
      FROM (SELECT instrument_id, rule, eligible, day, skipped, true AS shown FROM store.roll WHERE state = 'published' AND rank = 0
            UNION ALL
            (SELECT DISTINCT ON (instrument_id, rule, eligible) instrument_id, rule, eligible, day, skipped, false
             FROM store.roll WHERE rank = 0 AND state IN ('pending', 'held', 'published')
             ORDER BY instrument_id, rule, eligible, version_id DESC)) AS r
      JOIN contract c USING (instrument_id, rule, eligible)
      JOIN store.roll_extent x USING (family)
      WHERE NOT r.skipped) AS h
CROSS JOIN LATERAL generate_series(date_trunc('month', h.day::timestamp), least(h.past_day - 1, h.last_day)::timestamp, interval '1 month') AS m(month)
CROSS JOIN LATERAL (SELECT (least(h.past_day, h.last_day + 1, (m.month + interval '1 month')::date) - greatest(h.day, m.month::date)) AS days) AS d
WHERE d.days > 0
GROUP BY h.family, h.rule, h.eligible, m.month
