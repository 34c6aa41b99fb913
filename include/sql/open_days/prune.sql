-- Deletes the live minutes of a day that closed days have taken the place of. Grain: a version. May run twice. Parameters: day.
DELETE FROM store.open_candle WHERE day = %(day)s
