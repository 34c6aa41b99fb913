-- Adds the staged days that differ from the newest version stored, as versions of their own. Grain: an
-- instrument-day. May run twice, or several times at once (the caller holds the instrument's lock): an equal day
-- writes nothing, a day with fewer minutes never replaces a fuller one, and a version that is replaced and was never
-- published is deleted. The published version stays until a newer one has passed the gate. Rows are locked in the order of
-- their keys, as in publication/publish.sql, so that the two can't deadlock.
WITH newest AS (
    SELECT DISTINCT ON (t.instrument_id, t.day) t.*
    FROM store.candle_day t JOIN candle_day_stage s USING (instrument_id, day)
    ORDER BY t.instrument_id, t.day, t.version_id DESC
), compared AS (
    SELECT s.*,
           CASE WHEN t.version_id IS NULL THEN 'added'
                WHEN s.present < t.present THEN 'kept'
                WHEN (s.first_minute, s.n, s.duplicate, s.misaligned, s.out_of_order, s.out_of_window, s.open, s.high, s.low, s.close, s.volume, s.cost)
                     IS NOT DISTINCT FROM
                     (t.first_minute, t.n, t.duplicate, t.misaligned, t.out_of_order, t.out_of_window, t.open, t.high, t.low, t.close, t.volume, t.cost)
                     THEN 'unchanged'
                WHEN s.present > t.present AND NOT EXISTS (
                     SELECT FROM unnest(t.open, t.high, t.low, t.close, t.volume, t.cost,
                         store.slice_minutes(s.open, s.first_minute, t.first_minute, t.n), store.slice_minutes(s.high, s.first_minute, t.first_minute, t.n),
                         store.slice_minutes(s.low, s.first_minute, t.first_minute, t.n), store.slice_minutes(s.close, s.first_minute, t.first_minute, t.n),
                         store.slice_minutes(s.volume, s.first_minute, t.first_minute, t.n), store.slice_minutes(s.cost, s.first_minute, t.first_minute, t.n))
                         AS known(o, h, l, c, v, k, told_o, told_h, told_l, told_c, told_v, told_k)
                     WHERE o IS NOT NULL AND (o, h, l, c, v, k) IS DISTINCT FROM (told_o, told_h, told_l, told_c, told_v, told_k)) THEN 'grown'
                ELSE 'corrected' END AS outcome
    FROM candle_day_stage s LEFT JOIN newest t USING (instrument_id, day)
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'added') AS added, count(*) FILTER (WHERE outcome = 'grown') AS grown,
           count(*) FILTER (WHERE outcome = 'corrected') AS corrected, count(*) FILTER (WHERE outcome = 'kept') AS kept,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged
    FROM compared
), loaded AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, added, grown, corrected
    FROM counted WHERE added + grown + corrected > 0
    RETURNING version_id
), written AS (
    INSERT INTO store.candle_day (instrument_id, day, version_id, first_minute, n, present, duplicate, misaligned, out_of_order, out_of_window,
                                  open, high, low, close, volume, cost, fresh, traded, calculable, turnover)
    SELECT instrument_id, day, version_id, first_minute, n, present, duplicate, misaligned, out_of_order, out_of_window,
           open, high, low, close, volume, cost, fresh, traded, calculable, turnover
    FROM compared CROSS JOIN loaded WHERE outcome IN ('added', 'grown', 'corrected')
    ORDER BY instrument_id, day
), outdated AS (
    SELECT t.instrument_id, t.day, t.version_id
    FROM store.candle_day t JOIN compared s USING (instrument_id, day)
    WHERE t.state IN ('pending', 'held') AND isempty(t.shown) AND s.outcome IN ('grown', 'corrected')
    ORDER BY t.instrument_id, t.day, t.version_id FOR UPDATE OF t
), replaced AS (
    DELETE FROM store.candle_day t USING outdated o
    WHERE t.instrument_id = o.instrument_id AND t.day = o.day AND t.version_id = o.version_id
)
SELECT added, grown, corrected, kept, unchanged FROM counted
