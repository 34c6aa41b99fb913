-- What the acceptance criteria (report/acceptance) share.

-- Why the catalogue can't be relied on for what should exist up to the end of the last closed month: the lists of a collected
-- currency's futures were not all read since then, or have rows that could not be read. NULL: it can.
CREATE FUNCTION store.catalogue_gap() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT 'the catalogue is not complete: ' || string_agg(g.why, ', ' ORDER BY g.currency, g.why)
    FROM (SELECT c.currency,
                 CASE WHEN a.is_read THEN format('the futures of %s were last read in full on %s', c.currency,
                                                 (a.read_at AT TIME ZONE 'UTC')::date)
                      ELSE format('the futures of %s were never read in full', c.currency) END AS why
          FROM store.collected c
          CROSS JOIN LATERAL (SELECT bool_and(r.read_at IS NOT NULL) AS is_read, min(r.read_at) AS read_at
                              FROM store.list_of_futures l LEFT JOIN store.catalogue_reading r
                                  ON r.currency = c.currency AND r.kind = 'future' AND r.host = l.host AND r.expired = l.expired) AS a
          WHERE NOT a.is_read OR a.read_at < date_trunc('month', now(), 'UTC')
          UNION ALL
          SELECT u.currency, format('%s rows of the futures of %s can''t be read: %s', count(*), u.currency,
                                    store.named(array_agg(DISTINCT u.subject ORDER BY u.subject), ', '))
          FROM store.unreadable_instrument u JOIN store.collected c USING (currency)
          WHERE u.kind = 'future' GROUP BY u.currency) AS g
$$;

-- How many minutes of every day of the collected currencies' dated futures are published, and how many of the others are missing
-- with a reason, from the listing to the end of the last closed month. Grain: future, day.
--   begins, ends  what the future lived of the day
--   explained  the missing minutes of the day that have a reason:
--              * They were before the first candle, and the exchange was asked for all that was before it and answered. Candles
--                begin with the first trade, and 82 listings waited 544 minutes at most. Over 720, a third more, a true wait can't
--                be told from a beginning that was lost: then nothing of it is excused, unless first-candle-soon is waived.
--              * There is no candle of the whole life, of which the exchange was asked and answered. Over 720 minutes the gate must
--                have found the same (first-candle-soon, on the last day): candles that were stored and are gone look like that.
--              * minutes-complete is waived of the day, and it is published or nothing of it is stored. What is held back or waits
--                is not there for another reason.
--   is_silent  there is no candle of the whole life
CREATE VIEW store.future_day AS
    WITH contract AS MATERIALIZED (
        SELECT l.instrument_id, l.label, l.begins, l.counts_to AS ends, c.at IS NULL AS is_silent,
               CASE WHEN store.was_fetched(l.instrument_id, 'candles', l.begins, w.until)
                         AND (w.until - l.begins <= interval '720 minutes'
                              OR EXISTS (SELECT FROM store.quarantine q
                                         WHERE q.dataset = 'futures_ohlcv' AND q.subject = l.label
                                           AND q.rule = 'first-candle-soon' AND q.closed_by IS NULL
                                           AND (q.waived_reason IS NOT NULL OR c.at IS NULL AND q.day = w.last_day)))
                    THEN w.until END AS late_until
        FROM store.collected_lifetime l
        LEFT JOIN LATERAL (
            SELECT v.day::timestamp AT TIME ZONE 'UTC'
                   + (v.first_minute - 1 + (SELECT min(u.i) FROM unnest(v.open) WITH ORDINALITY AS u(open, i)
                                            WHERE u.open IS NOT NULL)) * interval '1 minute' AS at
            FROM store.candle_day v WHERE v.instrument_id = l.instrument_id AND v.present > 0
            ORDER BY v.day, v.version_id DESC LIMIT 1) AS c ON true
        CROSS JOIN LATERAL (SELECT coalesce(c.at, l.counts_to) AS until,
                                   ((l.counts_to - interval '1 minute') AT TIME ZONE 'UTC')::date AS last_day) AS w
        WHERE NOT l.perpetual AND l.begins < l.counts_to
    )
    SELECT k.instrument_id, k.label, d.day, p.begins, p.ends, m.expected, m.published,
           CASE WHEN m.published = m.expected THEN 0
                WHEN (c.day IS NOT NULL
                      OR NOT EXISTS (SELECT FROM store.candle_day v WHERE v.instrument_id = k.instrument_id AND v.day = d.day))
                     AND EXISTS (SELECT FROM store.quarantine q
                                 WHERE q.dataset = 'futures_ohlcv' AND q.day = d.day AND q.subject = k.label
                                   AND q.rule = 'minutes-complete' AND q.waived_reason IS NOT NULL AND q.closed_by IS NULL)
                THEN m.expected - m.published
                WHEN k.late_until > p.begins
                THEN least(m.expected - m.published, (extract(epoch FROM least(k.late_until, p.ends) - p.begins) / 60)::bigint)
                ELSE 0 END AS explained,
           k.is_silent
    FROM contract k
    CROSS JOIN LATERAL generate_series(date_trunc('day', k.begins AT TIME ZONE 'UTC'),
                                       k.ends AT TIME ZONE 'UTC' - interval '1 minute', interval '1 day') AS s(at)
    CROSS JOIN LATERAL (SELECT s.at::date AS day) AS d
    CROSS JOIN LATERAL (SELECT greatest(k.begins, d.day::timestamp AT TIME ZONE 'UTC') AS begins,
                               least(k.ends, (d.day + 1)::timestamp AT TIME ZONE 'UTC') AS ends) AS p
    LEFT JOIN store.candle_day c ON c.instrument_id = k.instrument_id AND c.day = d.day AND c.state = 'published'
    CROSS JOIN LATERAL (SELECT e.expected, least(coalesce(c.present, 0), e.expected) AS published
                        FROM (SELECT (extract(epoch FROM p.ends - p.begins) / 60)::bigint AS expected) AS e) AS m;
