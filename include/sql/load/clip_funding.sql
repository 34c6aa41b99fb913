-- Takes back the published funding hours that end after the end of a lifetime learned later. Grain: an instrument. May run
-- twice. They leave the view, and with them the index of the days after that lifetime.
WITH taken_back AS (
    UPDATE store.funding_rate t SET validation_id = NULL
    FROM store.lifetime l
    WHERE l.perpetual AND l.funding_ends < 'infinity' AND t.instrument_id = l.instrument_id AND t.ts > l.funding_ends AND t.validation_id IS NOT NULL
    RETURNING t.instrument_id, l.past_day
), no_index AS (
    DELETE FROM store.index_day t USING (SELECT DISTINCT instrument_id, past_day FROM taken_back) AS d
    WHERE t.perpetual_id = d.instrument_id AND t.day >= d.past_day
)
SELECT i.label AS instrument, count(*) AS hours
FROM taken_back c JOIN store.instrument i USING (instrument_id) GROUP BY i.instrument_id, i.label ORDER BY i.label
