-- Gives the newest versions of the days that passed the validation that passed them, and lets the versions
-- they replace go. Grain: instrument-day. May run twice: a published version is left alone.
WITH passed AS (
    SELECT instrument_id, day, load_id
    FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(load_ids)s::bigint[]) AS k(instrument_id, day, load_id)
), replaced AS (
    DELETE FROM store.candle_day t USING passed p
    WHERE t.instrument_id = p.instrument_id AND t.day = p.day AND t.load_id < p.load_id
)
UPDATE store.candle_day t SET validation_id = %(validation_id)s
FROM passed p
WHERE t.instrument_id = p.instrument_id AND t.day = p.day AND t.load_id = p.load_id AND t.validation_id IS NULL
