-- Takes away the index of days with a day of the perpetual, an hour of its funding or a summary that a validation has taken back and
-- that it was computed from.
-- Grain: index, day, version. May run twice.
UPDATE store.index_day x SET state = 'withdrawn', validation_id = %(validation_id)s,
                             shown = x.shown - int8multirange(int8range(%(validation_id)s, NULL))
FROM (SELECT instrument_id, day, version_id, NULL::bigint, NULL::integer FROM store.candle_day WHERE validation_id = %(validation_id)s AND state = 'held'
      UNION ALL
      -- an hour is in an index that was computed after it was published; one that was never shown is in none
      SELECT f.instrument_id, ((f.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date, NULL, min(lower(r)), NULL
      FROM store.funding_rate f CROSS JOIN LATERAL unnest(f.shown) AS r
      WHERE f.validation_id = %(validation_id)s AND f.state = 'held' AND upper(r) = %(validation_id)s
      GROUP BY 1, 2
      UNION ALL
      SELECT i.instrument_id, (b.minute AT TIME ZONE 'UTC')::date, NULL, NULL, store.minute_of(b.minute)
      FROM (SELECT s.currency, s.beat - interval '1 minute' AS minute FROM store.instrument_summary s
            WHERE s.validation_id = %(validation_id)s AND s.state = 'held' AND NOT isempty(s.shown)) AS b
      JOIN store.instrument i ON i.kind = 'future' AND i.settlement_currency = b.currency
     ) AS c(instrument_id, day, version_id, published_by, sampled_minute)
WHERE x.day = c.day AND x.perpetual_id = c.instrument_id AND x.state IN ('pending', 'published', 'held')
  AND (c.version_id = x.perpetual_version_id OR c.published_by <= x.funding_validation_id OR get_bit(x.sampled, c.sampled_minute) = 1)
