-- Keeps what live had said of a day, compared with the closed one: what is to be deleted. Grain: instrument, day. May run
-- twice: the last word counts. Parameters: day.
INSERT INTO store.open_day AS d (instrument_id, day, version_id, live_minutes, closed_minutes, missed, only_live, different, corrected)
SELECT l.instrument_id, l.day, l.version_id, l.live_minutes, l.closed_minutes, l.missed, l.only_live, l.different, l.corrected
FROM store.live_day l WHERE l.day = %(day)s
ON CONFLICT (instrument_id, day) DO UPDATE
SET version_id = excluded.version_id, live_minutes = excluded.live_minutes, closed_minutes = excluded.closed_minutes,
    missed = excluded.missed, only_live = excluded.only_live, different = excluded.different, corrected = excluded.corrected, compared_at = now()
