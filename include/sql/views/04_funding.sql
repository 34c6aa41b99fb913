-- Hourly funding. ts is the END of the hour; rates are fractions of that hour and of the trailing eight
-- hours; positive: longs pay. Sum interest_1h, never interest_8h.
CREATE VIEW funding_rates AS
    SELECT i.instrument, f.ts, f.interest_1h, f.interest_8h, f.index_price, f.prev_index_price,
           l.host, l.loaded_at, f.validation_id, v.validated_at
    FROM store.funding_rate f
    JOIN store.instrument i USING (instrument_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v USING (validation_id)
    WHERE f.validation_id IS NOT NULL;
