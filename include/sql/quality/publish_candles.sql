-- Gives the versions of days that passed the validation that passed them, and lets the published version each
-- replaces go. Grain: instrument-day. May run twice: a published version is left alone.
-- A version a load has replaced since it was validated is gone: then what is published stays. Each says what its level was
-- checked against. Parameters: instrument_ids, days, version_ids, what, pairwise.
WITH passed AS (
    SELECT t.instrument_id, t.day, t.version_id, k.reference
    FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(version_ids)s::bigint[], %(what)s::text[]) AS k(instrument_id, day, version_id, reference)
    JOIN store.candle_day t USING (instrument_id, day, version_id)
    WHERE t.validation_id IS NULL
    ORDER BY t.instrument_id, t.day FOR UPDATE OF t
), replaced AS (
    DELETE FROM store.candle_day t USING passed p
    WHERE t.instrument_id = p.instrument_id AND t.day = p.day AND t.version_id < p.version_id
    RETURNING t.version_id
)
UPDATE store.candle_day t SET validation_id = %(validation_id)s, reference = p.reference
-- counting them makes the deletion come first: only one version of a key can be published
FROM passed p, (SELECT count(*) FROM replaced) AS gone
WHERE t.instrument_id = p.instrument_id AND t.day = p.day AND t.version_id = p.version_id
