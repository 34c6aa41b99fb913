-- Until when there are published minutes of the open days of every perpetual and dated future that live has asked for once, or is to ask
-- for since a start has said so a day ago (store.live_start). Who never lets live run is not late; who has paused it is, and so is a
-- start that was killed before it let live run. The maintenance of the exchange takes 15 to 30 minutes: a warning after five, an error
-- after thirty. Grain: instrument. Reads only. Columns as of the candles' fresh.
SELECT CASE WHEN l.perpetual THEN 'perpetuals_live' ELSE 'futures_live' END AS dataset, l.label AS instrument,
       greatest(l.begins, coalesce(lower(f.windows), w.since)) AS begins, l.ends,
       CASE WHEN f.instrument_id IS NULL THEN greatest(i.first_seen_at, w.since + interval '1 day') ELSE i.first_seen_at END AS known_since,
       n.until - interval '1 minute' AS newest,
       -- Where none is published, because it was just asked for or because it was paused until the last was deleted, what it was
       -- answered for counts: a contract has none before its first trade, and the chart's last five minutes are waited for. But
       -- of what came, the first has to be published.
       coalesce(n.until, least(upper(f.windows) + interval '5 minutes', (
           SELECT v.loaded_at FROM store.open_candle o JOIN store.ingestion v USING (version_id)
           WHERE o.instrument_id = f.instrument_id ORDER BY o.ts, o.version_id LIMIT 1))) AS until,
       n.published_at,
       interval '1 minute' AS cadence, interval '5 minutes' AS warning_after, interval '30 minutes' AS error_after
FROM store.lifetime l JOIN store.instrument i USING (instrument_id)
JOIN store.collected c ON c.currency = l.settlement_currency
LEFT JOIN store.fetched f ON f.instrument_id = l.instrument_id AND f.what = 'open candles'
LEFT JOIN store.live_start w ON true
LEFT JOIN LATERAL (
    SELECT o.ts + interval '1 minute' AS until,
           (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = o.validation_id) AS published_at
    FROM store.open_candle o WHERE o.instrument_id = f.instrument_id AND o.state = 'published' ORDER BY o.ts DESC LIMIT 1) AS n ON true
WHERE f.instrument_id IS NOT NULL OR l.ends > w.since
