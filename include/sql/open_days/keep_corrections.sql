-- Keeps the corrections of a day's live minutes, which are to be deleted. Grain: instrument, minute, version, field. May run twice.
-- Parameters: day.
INSERT INTO store.open_correction (instrument_id, day, ts, field, old, new, corrected_at, validation_id, old_version_id, new_version_id)
SELECT instrument_id, day, ts, field, old, new, corrected_at, validation_id, old_version_id, new_version_id
FROM store.open_minute_correction WHERE day = %(day)s
ON CONFLICT (day, instrument_id, ts, old_version_id, field) DO NOTHING
