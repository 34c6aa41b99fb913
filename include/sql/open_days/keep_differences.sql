-- Keeps the minutes of a day, whose live minutes are to be deleted, that the closed day says otherwise. Grain: instrument, minute. May run
-- twice: the last word counts. Parameters: day.
INSERT INTO store.live_difference AS d (instrument_id, day, ts, live_open, live_high, live_low, live_close, live_volume, live_cost,
                                        open, high, low, close, volume, cost)
SELECT b.instrument_id, b.day, b.ts, b.live_open, b.live_high, b.live_low, b.live_close, b.live_volume, b.live_cost,
       b.open, b.high, b.low, b.close, b.volume, b.cost
FROM store.live_and_closed b
WHERE b.day = %(day)s AND (b.open, b.high, b.low, b.close, b.volume, b.cost)
                          IS DISTINCT FROM (b.live_open, b.live_high, b.live_low, b.live_close, b.live_volume, b.live_cost)
ON CONFLICT (day, instrument_id, ts) DO UPDATE
SET live_open = excluded.live_open, live_high = excluded.live_high, live_low = excluded.live_low, live_close = excluded.live_close,
    live_volume = excluded.live_volume, live_cost = excluded.live_cost, open = excluded.open, high = excluded.high, low = excluded.low,
    close = excluded.close, volume = excluded.volume, cost = excluded.cost
