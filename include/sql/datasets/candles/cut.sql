-- For each of these days, which lie outside a lifetime in part, adds a version that is cut to the lifetime. It is published at once
-- if the day was, because all that is left of the day has passed. Grain: instrument-day. May run twice: each time it adds versions
-- of their own. Parameters: instrument_ids, days, version_ids, firsts, ns, pairwise; is_published, validation_id, run_id.
WITH loaded AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    VALUES ('instruments', 'lifetimes', 'the catalogue', %(run_id)s, 0, 0, cardinality(%(days)s::date[]))
    RETURNING version_id
)
INSERT INTO store.candle_day (instrument_id, day, version_id, state, validation_id, shown, reference, compared_with, first_minute, n, present,
                              duplicate, misaligned, out_of_order, out_of_window, open, high, low, close, volume, cost, fresh, traded, calculable, turnover)
SELECT t.instrument_id, t.day, l.version_id,
       CASE WHEN %(is_published)s THEN 'published' ELSE 'pending' END::store.state,
       CASE WHEN %(is_published)s THEN %(validation_id)s END::bigint,
       CASE WHEN %(is_published)s THEN int8multirange(int8range(%(validation_id)s, NULL)) ELSE '{}' END,
       t.reference, t.compared_with, b.first, b.n, b.n - cardinality(array_positions(t.open[w.at : w.past], NULL)),
       t.duplicate, t.misaligned, t.out_of_order, t.out_of_window,
       t.open[w.at : w.past], t.high[w.at : w.past], t.low[w.at : w.past], t.close[w.at : w.past], t.volume[w.at : w.past],
       t.cost[w.at : w.past],
       t.fresh & w.left_over, t.traded & w.left_over, t.calculable,
       coalesce((SELECT sum(u) FROM unnest(t.cost[w.at : w.past]) AS u), 0)
FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(version_ids)s::bigint[], %(firsts)s::integer[], %(ns)s::integer[])
     AS b(instrument_id, day, version_id, first, n)
JOIN store.candle_day t USING (instrument_id, day, version_id)
CROSS JOIN loaded l
CROSS JOIN LATERAL (SELECT b.first - t.first_minute + 1 AS at, b.first - t.first_minute + b.n AS past,
                           (repeat('0', b.first) || repeat('1', b.n) || repeat('0', 1440 - b.first - b.n))::bit(1440) AS left_over) AS w
ORDER BY t.instrument_id, t.day
