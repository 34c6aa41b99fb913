-- Every value of a minute that differs between a version that was once shown while its day was open and the next one that was; kept
-- when the minutes of the day are deleted. Grain: key, field. Reads only. Columns as of the candles' corrections.
SELECT CASE WHEN i.settlement_period = 'perpetual' THEN 'perpetuals_live' ELSE 'futures_live' END AS dataset,
       i.label AS instrument, c.day, c.ts, c.field, c.old, c.new, c.corrected_at, c.validation_id, c.old_version_id, c.new_version_id
FROM (SELECT instrument_id, day, ts, field, old, new, corrected_at, validation_id, old_version_id, new_version_id
      FROM store.open_minute_correction
      UNION ALL
      SELECT instrument_id, day, ts, field, old, new, corrected_at, validation_id, old_version_id, new_version_id
      FROM store.open_correction) AS c
JOIN store.instrument i USING (instrument_id)
