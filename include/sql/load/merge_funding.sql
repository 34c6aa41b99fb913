-- Adds the staged hours that differ from the newest version stored. Grain: instrument, hour end. May run
-- twice or beside itself, as merge_candle_day.
WITH newest AS (
    SELECT DISTINCT ON (t.instrument_id, t.ts) t.*
    FROM store.funding_rate t JOIN funding_stage s USING (instrument_id, ts)
    ORDER BY t.instrument_id, t.ts, t.load_id DESC
), compared AS (
    SELECT s.*, CASE WHEN t.load_id IS NULL THEN 'added'
                     WHEN (s.interest_1h, s.interest_8h, s.index_price, s.prev_index_price)
                          IS NOT DISTINCT FROM (t.interest_1h, t.interest_8h, t.index_price, t.prev_index_price) THEN 'unchanged'
                     ELSE 'corrected' END AS outcome
    FROM funding_stage s LEFT JOIN newest t USING (instrument_id, ts)
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'added') AS added, count(*) FILTER (WHERE outcome = 'corrected') AS corrected,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged
    FROM compared
), loaded AS (
    INSERT INTO store.load (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, added, 0, corrected
    FROM counted WHERE added + corrected > 0
    RETURNING load_id
), written AS (
    INSERT INTO store.funding_rate (instrument_id, ts, load_id, interest_1h, interest_8h, index_price, prev_index_price)
    SELECT instrument_id, ts, load_id, interest_1h, interest_8h, index_price, prev_index_price
    FROM compared CROSS JOIN loaded WHERE outcome <> 'unchanged'
    ORDER BY instrument_id, ts
), outdated AS (
    SELECT t.instrument_id, t.ts, t.load_id
    FROM store.funding_rate t JOIN compared s USING (instrument_id, ts)
    WHERE t.validation_id IS NULL AND s.outcome = 'corrected'
    ORDER BY t.instrument_id, t.ts, t.load_id FOR UPDATE OF t
), replaced AS (
    DELETE FROM store.funding_rate t USING outdated o
    WHERE t.instrument_id = o.instrument_id AND t.ts = o.ts AND t.load_id = o.load_id
)
SELECT added, 0 AS grown, corrected, 0 AS kept, unchanged FROM counted
