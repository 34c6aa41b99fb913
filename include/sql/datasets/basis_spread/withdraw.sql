-- Takes away the basis of pairs with a day that a validation has taken back. Grain: future, day, version. May run twice.
UPDATE store.basis_day b SET state = 'withdrawn', validation_id = %(validation_id)s,
                             shown = b.shown - int8multirange(int8range(%(validation_id)s, NULL))
FROM store.candle_day c
WHERE c.validation_id = %(validation_id)s AND c.state = 'held'
  AND b.day = c.day AND b.state IN ('pending', 'published', 'held')
  AND (c.instrument_id, c.version_id) IN ((b.instrument_id, b.future_version_id), (b.perpetual_id, b.perpetual_version_id))
