-- Days of funding with hours that are not settled: the newest version of one waits to be validated, or was validated against
-- other versions of what its index is checked against than are stored now. Grain: instrument, day. Reads only. Columns as of
-- the candles' pending.
SELECT 'funding_rates' AS dataset, l.label AS instrument, h.day,
       CASE WHEN store.awaits_candles(l.instrument_id, h.day::timestamp AT TIME ZONE 'UTC', (h.day + 1)::timestamp AT TIME ZONE 'UTC')
            THEN 'perpetuals_ohlcv of ' || l.label END AS waits_for,
       CASE WHEN h.blocked THEN h.validation_id END AS blocked_by
FROM (SELECT n.instrument_id, n.day, max(n.validation_id) AS validation_id,
             bool_and(n.state = 'pending' AND n.validation_id IS NOT NULL AND c.changed IS NOT TRUE) AS blocked
      FROM (SELECT DISTINCT ON (f.instrument_id, f.ts) f.instrument_id, f.ts, f.state, f.validation_id, f.reference, f.compared_with,
                   ((f.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day
            FROM store.funding_rate f ORDER BY f.instrument_id, f.ts, f.version_id DESC) AS n
      JOIN store.lifetime i ON i.instrument_id = n.instrument_id AND n.ts <= i.funding_ends
      LEFT JOIN store.level_versions(ARRAY(SELECT instrument_id FROM store.lifetime WHERE perpetual), '-infinity', 'infinity') AS v
        ON v.perpetual_id = n.instrument_id AND v.day = n.day
      CROSS JOIN LATERAL (SELECT n.compared_with <> store.compared_with(n.reference, 'perpetual', v.perpetual, v.futures) AS changed) AS c
      WHERE n.state = 'pending' OR c.changed
      GROUP BY n.instrument_id, n.day) AS h
JOIN store.lifetime l USING (instrument_id)
WHERE l.settlement_currency IN (SELECT currency FROM store.collected)
