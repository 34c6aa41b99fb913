-- Adds the staged hours that differ from the newest version stored. Grain: instrument, hour end. May run
-- twice or beside itself, as merge_candle_day.
WITH newest AS (
    SELECT DISTINCT ON (t.instrument_id, t.ts) t.*
    FROM store.funding_rate t JOIN funding_stage s USING (instrument_id, ts)
    ORDER BY t.instrument_id, t.ts, t.version_id DESC
), compared AS (
    SELECT s.*, CASE WHEN t.version_id IS NULL THEN 'added'
                     WHEN (s.interest_1h, s.interest_8h, s.index_price, s.prev_index_price, s.duplicate)
                          IS NOT DISTINCT FROM (t.interest_1h, t.interest_8h, t.index_price, t.prev_index_price, t.duplicate) THEN 'unchanged'
                     ELSE 'corrected' END AS outcome
    FROM funding_stage s LEFT JOIN newest t USING (instrument_id, ts)
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'added') AS added, count(*) FILTER (WHERE outcome = 'corrected') AS corrected,
           count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged
    FROM compared
), loaded AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(subject)s, %(host)s, %(run_id)s, added, 0, corrected
    FROM counted WHERE added + corrected > 0
    RETURNING version_id
), written AS (
    INSERT INTO store.funding_rate (instrument_id, ts, version_id, interest_1h, interest_8h, index_price, prev_index_price, duplicate)
    SELECT instrument_id, ts, version_id, interest_1h, interest_8h, index_price, prev_index_price, duplicate
    FROM compared CROSS JOIN loaded WHERE outcome <> 'unchanged'
    ORDER BY instrument_id, ts
), outdated AS (
    SELECT t.instrument_id, t.ts, t.version_id
    FROM (SELECT instrument_id, min(ts) AS first, max(ts) AS last FROM funding_stage GROUP BY instrument_id) AS span
    JOIN store.funding_rate t ON t.instrument_id = span.instrument_id AND t.ts BETWEEN span.first AND span.last + interval '1 hour'
    LEFT JOIN compared s ON s.instrument_id = t.instrument_id AND s.ts = t.ts
    WHERE t.state IN ('pending', 'held') AND isempty(t.shown) AND (s.outcome = 'corrected'
       -- a row off the hour that was never published, and that the exchange does not tell any more
       OR s.ts IS NULL AND t.ts <> date_trunc('hour', t.ts, 'UTC'))
    ORDER BY t.instrument_id, t.ts, t.version_id FOR UPDATE OF t
), replaced AS (
    DELETE FROM store.funding_rate t USING outdated o
    WHERE t.instrument_id = o.instrument_id AND t.ts = o.ts AND t.version_id = o.version_id
)
SELECT added, 0 AS grown, corrected, 0 AS kept, unchanged FROM counted
