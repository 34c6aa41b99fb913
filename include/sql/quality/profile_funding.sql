-- One row an hour that should exist, from the first hour the exchange has to the end of the perpetual's life, and one
-- for every hour received off the grid; nothing that came after the end. Grain: instrument, ts (hour end). Reads only. Parameters: from, to: hour ends in (from, to].
WITH newest AS (
    SELECT DISTINCT ON (f.instrument_id, f.ts) f.*
    FROM store.funding_rate f JOIN store.life i USING (instrument_id)
    WHERE f.ts > %(from)s AND f.ts <= %(to)s AND f.ts <= i.ends AND i.settlement_currency = ANY(%(currencies)s)
    ORDER BY f.instrument_id, f.ts, f.load_id DESC
), before AS (
    SELECT DISTINCT ON (f.instrument_id) f.*
    FROM store.funding_rate f
    WHERE f.ts = %(from)s
    ORDER BY f.instrument_id, f.load_id DESC
), expected AS (
    SELECT i.instrument_id, i.instrument, h AS ts
    FROM store.funding_start s JOIN store.life i USING (instrument_id)
    CROSS JOIN LATERAL generate_series(greatest(s.first_hour, %(from)s + interval '1 hour'), least(i.ends, %(to)s), interval '1 hour') AS h
    WHERE i.settlement_currency = ANY(%(currencies)s)
), together AS (
    SELECT coalesce(e.instrument_id, n.instrument_id) AS instrument_id, coalesce(e.ts, n.ts) AS ts, n.load_id, n.validation_id,
           n.instrument_id IS NOT NULL AS present, coalesce(e.ts, n.ts) = date_trunc('hour', coalesce(e.ts, n.ts), 'UTC') AS on_the_hour,
           coalesce(n.doubled, false) AS doubled, n.interest_1h, n.interest_8h, n.index_price, n.prev_index_price
    FROM expected e FULL JOIN newest n USING (instrument_id, ts)
)
SELECT i.instrument, t.ts, t.instrument_id, t.load_id, t.validation_id, t.present, t.on_the_hour, t.doubled,
       t.interest_1h, t.interest_8h, t.index_price, t.prev_index_price,
       CASE WHEN lag(t.present) OVER w THEN lag(t.index_price) OVER w
            WHEN t.ts = %(from)s + interval '1 hour' THEN b.index_price END AS previous_row_index_price
FROM together t JOIN store.instrument i USING (instrument_id)
LEFT JOIN before b ON b.instrument_id = t.instrument_id
WINDOW w AS (PARTITION BY t.instrument_id ORDER BY t.ts)
ORDER BY i.instrument, t.ts
