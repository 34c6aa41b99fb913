-- Hourly funding, as it is published, or was at the moment as_of.
CREATE FUNCTION store.funding_rates_of(as_of timestamptz)
RETURNS TABLE (instrument text, ts timestamptz, interest_1h float8, interest_8h float8, index_price float8, prev_index_price float8,
               host text, loaded_at timestamptz, validation_id bigint, validated_at timestamptz, instrument_id integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT i.instrument, f.ts, f.interest_1h, f.interest_8h, f.index_price, f.prev_index_price,
           l.host, l.loaded_at, v.validation_id, v.validated_at, f.instrument_id
    FROM store.funding_rate f
    JOIN store.instrument i USING (instrument_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN funding_rates_of.as_of IS NULL THEN f.validation_id
         ELSE store.published_by(f.shown, (SELECT store.as_of(funding_rates_of.as_of))) END
    WHERE CASE WHEN funding_rates_of.as_of IS NULL THEN f.state = 'published' ELSE f.shown @> (SELECT store.as_of(funding_rates_of.as_of)) END
      -- a moment that can't be told is an error, also where there is nothing to look at
      AND (funding_rates_of.as_of IS NULL OR (SELECT store.as_of(funding_rates_of.as_of)) IS NOT NULL)
$$;

-- Hourly funding. ts is the END of the hour; rates are fractions of that hour and of the trailing eight
-- hours; positive: longs pay. Sum interest_1h, never interest_8h.
CREATE VIEW funding_rates AS
    SELECT instrument, ts, interest_1h, interest_8h, index_price, prev_index_price, host, loaded_at, validation_id, validated_at
    FROM store.funding_rates_of(NULL);

-- The funding of one perpetual (a name, or name#id: see store.instrument_named) of the hours that end in from <= ts < to,
-- in order of time: what is published, or what was published at the moment as_of.
CREATE FUNCTION funding(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF funding_rates
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT f.instrument, f.ts, f.interest_1h, f.interest_8h, f.index_price, f.prev_index_price, f.host, f.loaded_at,
           f.validation_id, f.validated_at
    FROM store.funding_rates_of(funding.as_of) AS f
    WHERE f.instrument_id = store.instrument_named(funding.instrument, funding."from", funding."to")
      AND f.ts >= funding."from" AND f.ts < funding."to"
    ORDER BY f.ts
$$;
