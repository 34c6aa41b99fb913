-- Every version of every hour of the funding; an hour that ends at midnight belongs to the day it ends. Grain: instrument, hour,
-- version. Reads only. Columns as in candles/provenance.sql, in hours.
SELECT 'funding_rates' AS dataset, i.label AS instrument, ((f.ts - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day, f.ts,
       f.version_id, f.state, f.validation_id, 1 AS present, 1 AS expected
FROM store.funding_rate f JOIN store.instrument i USING (instrument_id)
