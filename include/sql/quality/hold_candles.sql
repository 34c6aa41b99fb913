-- Takes back published versions that a later validation holds back, with what was computed from them. Grain:
-- instrument-day. May run twice. They leave the views at once, and stay to be looked at.
WITH named AS (
    SELECT * FROM unnest(%(instrument_ids)s::integer[], %(days)s::date[], %(version_ids)s::bigint[]) AS k(instrument_id, day, version_id)
), no_basis AS (
    DELETE FROM store.basis_day t USING named k
    WHERE t.day = k.day AND (k.instrument_id, k.version_id) IN ((t.instrument_id, t.version_id), (t.perpetual_id, t.perpetual_version_id))
), no_index AS (
    DELETE FROM store.index_day t USING named k
    WHERE t.day = k.day AND t.perpetual_id = k.instrument_id AND t.perpetual_version_id = k.version_id
)
UPDATE store.candle_day t SET validation_id = NULL FROM named k
WHERE t.instrument_id = k.instrument_id AND t.day = k.day AND t.version_id = k.version_id AND t.validation_id IS NOT NULL
