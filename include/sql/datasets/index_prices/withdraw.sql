-- Takes away the index of days with a day of the perpetual, or an hour of its funding, that a validation has taken back and
-- that it was computed from.
-- Grain: index, day, version. May run twice.
UPDATE store.index_day x SET state = 'withdrawn', validation_id = %(validation_id)s,
                             shown = x.shown - int8multirange(int8range(%(validation_id)s, NULL))
FROM (SELECT instrument_id, day, version_id, NULL::bigint FROM store.candle_day WHERE validation_id = %(validation_id)s AND state = 'held'
      UNION ALL
      -- an hour is in an index that was computed after it was published; one that was never shown is in none
      SELECT f.instrument_id, ((f.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date, NULL, min(lower(r))
      FROM store.funding_rate f CROSS JOIN LATERAL unnest(f.shown) AS r
      WHERE f.validation_id = %(validation_id)s AND f.state = 'held' AND upper(r) = %(validation_id)s
      GROUP BY 1, 2
     ) AS c(instrument_id, day, version_id, published_by)
WHERE x.day = c.day AND x.perpetual_id = c.instrument_id AND x.state IN ('pending', 'published', 'held')
  AND (c.version_id = x.perpetual_version_id OR c.published_by <= x.funding_validation_id)
