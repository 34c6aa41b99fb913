-- Takes away the rolls that were decided on and priced by a day that a validation has taken back. Grain: contract rolled to,
-- series, version. May run twice.
UPDATE store.roll r SET state = 'withdrawn', validation_id = %(validation_id)s,
                        shown = r.shown - int8multirange(int8range(%(validation_id)s, NULL))
FROM store.candle_day c
WHERE c.validation_id = %(validation_id)s AND c.state = 'held'
  AND r.day - 1 = c.day AND r.state IN ('pending', 'published', 'held')
  AND (c.instrument_id, c.version_id) IN ((r.from_instrument_id, r.from_version_id), (r.instrument_id, r.to_version_id))
