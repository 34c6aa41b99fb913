-- Days of the perpetuals and the dated futures that are not settled: their newest version waits to be validated, or was
-- validated against other versions of what its level is checked against than are stored now. Grain: instrument, day. Reads
-- only.
--   waits_for   what the exchange was not asked for yet that the day is compared with first; NULL: it can be validated
--   blocked_by  the validation that blocked the interval it lies in, since when nothing it is compared with has changed
SELECT CASE WHEN l.perpetual THEN 'perpetuals_ohlcv' ELSE 'futures_ohlcv' END AS dataset, l.label AS instrument, n.day, w.waits_for,
       CASE WHEN n.state = 'pending' AND c.changed IS NOT TRUE THEN n.validation_id END AS blocked_by
FROM (SELECT DISTINCT ON (instrument_id, day) instrument_id, day, state, validation_id, reference, compared_with
      FROM store.candle_day ORDER BY instrument_id, day, version_id DESC) AS n
JOIN store.lifetime l ON l.instrument_id = n.instrument_id AND n.day >= l.first_day AND n.day < l.past_day
LEFT JOIN store.future f ON f.instrument_id = n.instrument_id AND n.day >= f.from_day AND n.day < f.past_day
LEFT JOIN store.level_versions(ARRAY(SELECT instrument_id FROM store.lifetime WHERE perpetual), '-infinity', 'infinity') AS v
  ON v.perpetual_id = CASE WHEN l.perpetual THEN l.instrument_id ELSE f.perpetual_id END AND v.day = n.day
CROSS JOIN LATERAL (
    SELECT n.compared_with <> CASE WHEN l.perpetual THEN store.compared_with(n.reference, 'index', v.index_price, v.futures)
                                   ELSE store.compared_with(n.reference, 'perpetual', v.perpetual, v.index_price) END AS changed) AS c
CROSS JOIN LATERAL (
    SELECT n.day::timestamp AT TIME ZONE 'UTC' AS begins, (n.day + 1)::timestamp AT TIME ZONE 'UTC' AS ends) AS d
CROSS JOIN LATERAL (
    SELECT CASE WHEN l.perpetual AND store.awaits_funding(l.instrument_id, greatest(d.begins, l.begins), least(d.ends, l.ends))
                THEN 'funding_rates of ' || l.label
                WHEN NOT l.perpetual AND store.awaits_candles(f.perpetual_id, greatest(d.begins, l.begins), least(d.ends, l.ends))
                THEN 'perpetuals_ohlcv of ' || f.perpetual END AS waits_for) AS w
WHERE (n.state = 'pending' OR c.changed) AND l.settlement_currency IN (SELECT currency FROM store.collected)
