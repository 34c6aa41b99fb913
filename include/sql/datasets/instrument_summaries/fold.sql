-- Folds the oldest day of before a moment that can be folded (store.summary_day): its beats that were published once and are shown
-- since leave store.instrument_summary. Not the newest day of a currency, for that says how fresh it is; nor a day of which something
-- is yet to be decided; and no day twice. Grain: currency and day. May run twice: then it is the next day. Parameters: before.
WITH plain AS (
    SELECT s.currency, s.beat, s.version_id, (s.beat AT TIME ZONE 'UTC')::date AS day
    FROM store.instrument_summary s
    WHERE s.beat < %(before)s AND s.state = 'published'
      AND s.shown = int8multirange(int8range(s.validation_id, NULL))
      AND NOT EXISTS (SELECT FROM store.instrument_summary o WHERE o.currency = s.currency AND o.beat = s.beat AND o.version_id <> s.version_id)
), oldest AS (
    SELECT p.currency, p.day FROM plain p
    WHERE NOT EXISTS (SELECT FROM store.summary_day d WHERE d.currency = p.currency AND d.day = p.day)
      AND EXISTS (SELECT FROM store.instrument_summary n WHERE n.currency = p.currency AND n.beat >= (p.day + 1)::timestamp AT TIME ZONE 'UTC')
      AND NOT EXISTS (SELECT FROM store.instrument_summary u WHERE u.currency = p.currency AND u.state = 'pending'
                      AND u.beat >= p.day::timestamp AT TIME ZONE 'UTC' AND u.beat < (p.day + 1)::timestamp AT TIME ZONE 'UTC')
    ORDER BY p.beat, p.currency LIMIT 1
), folded AS (
    DELETE FROM store.instrument_summary s USING plain p JOIN oldest o USING (currency, day)
    WHERE s.currency = p.currency AND s.beat = p.beat AND s.version_id = p.version_id
    RETURNING s.*, p.day
), made AS (
    INSERT INTO store.summary_day (currency, day, minutes, version_ids, validation_ids, unreadable)
    SELECT f.currency, f.day, array_agg(store.minute_of(f.beat)::smallint ORDER BY f.beat), array_agg(f.version_id ORDER BY f.beat),
           array_agg(f.validation_id ORDER BY f.beat),
           jsonb_object_agg(store.minute_of(f.beat), f.unreadable) FILTER (WHERE f.unreadable <> '{}')
    FROM folded f GROUP BY f.currency, f.day
    RETURNING currency, day, cardinality(minutes) AS beats
), listed AS (
    SELECT DISTINCT i AS instrument FROM store.roster r CROSS JOIN LATERAL unnest(r.instruments) AS i
    WHERE r.roster_id IN (SELECT roster_id FROM folded)
), turned AS (
    INSERT INTO store.summary_series (instrument, day, currency, told_ms, mark_price, index_price, bid_price, ask_price, last_price,
                                      open_interest, volume, current_funding, funding_8h)
    SELECT n.instrument, f.day, f.currency,
           array_agg(e.told_ms ORDER BY f.beat), array_agg(e.mark ORDER BY f.beat), array_agg(e.index ORDER BY f.beat),
           array_agg(e.bid ORDER BY f.beat), array_agg(e.ask ORDER BY f.beat), array_agg(e.last ORDER BY f.beat),
           array_agg(e.interest ORDER BY f.beat), array_agg(e.volume ORDER BY f.beat),
           array_agg(e.current_funding ORDER BY f.beat), array_agg(e.funding_8h ORDER BY f.beat)
    FROM folded f JOIN store.roster r USING (roster_id) CROSS JOIN listed n
    CROSS JOIN LATERAL (SELECT array_position(r.instruments, n.instrument) AS place) AS p
    -- an array of one says the same of all
    LEFT JOIN LATERAL (
        SELECT round(extract(epoch FROM f.told_at[least(p.place, cardinality(f.told_at))] - f.beat) * 1000)::integer AS told_ms,
               f.mark_price[least(p.place, cardinality(f.mark_price))] AS mark, f.index_price[least(p.place, cardinality(f.index_price))] AS index,
               f.bid_price[least(p.place, cardinality(f.bid_price))] AS bid, f.ask_price[least(p.place, cardinality(f.ask_price))] AS ask,
               f.last_price[least(p.place, cardinality(f.last_price))] AS last,
               f.open_interest[least(p.place, cardinality(f.open_interest))] AS interest, f.volume[least(p.place, cardinality(f.volume))] AS volume,
               f.current_funding[least(p.place, cardinality(f.current_funding))] AS current_funding,
               f.funding_8h[least(p.place, cardinality(f.funding_8h))] AS funding_8h
        WHERE p.place IS NOT NULL) AS e ON true
    GROUP BY n.instrument, f.day, f.currency
)
SELECT currency, day, beats FROM made
