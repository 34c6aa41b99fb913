-- Deletes the live minutes of days before a day that closed days have taken the place of. Grain: a version. May run twice.
-- Parameters: before.
DELETE FROM store.open_candle o USING store.replaced_open_day r WHERE o.day = r.day AND o.day < %(before)s
