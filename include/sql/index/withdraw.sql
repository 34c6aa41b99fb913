-- Takes away the index of days with a day of the perpetual, or an hour of its funding, that a validation has taken back.
-- Grain: index, day, version. May run twice.
UPDATE store.index_day x SET state = 'withdrawn', validation_id = %(validation_id)s,
                             shown = x.shown - int8multirange(int8range(%(validation_id)s, NULL))
FROM (SELECT instrument_id, day, version_id FROM store.candle_day WHERE validation_id = %(validation_id)s AND state = 'held'
      UNION ALL
      SELECT DISTINCT instrument_id, ((ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date, NULL::bigint
      FROM store.funding_rate WHERE validation_id = %(validation_id)s AND state = 'held') AS c(instrument_id, day, version_id)
WHERE x.day = c.day AND x.perpetual_id = c.instrument_id AND x.state IN ('pending', 'published', 'held')
  AND (c.version_id IS NULL OR c.version_id = x.perpetual_version_id)
