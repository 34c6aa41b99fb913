-- Hourly funding as it is published, or was published at the time as_of.
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
      -- a time that store.as_of() refuses is an error even if there are no rows
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

-- What the funding of one perpetual (a name, or name#id: see store.instrument_named) came to over the whole hours that lie in
-- [from, to], by both definitions; positive: longs paid. One row, none for a name that is no perpetual's.
--   hours_expected   hours of its lifetime from the first one the exchange has, as far as they had passed
--   hours_missing    those of them that are not published, or were told no rate: what follows is of the others alone
--   funding_sum      the plain sum of interest_1h
--   funding_weighted index at the start * sum of interest_1h / index at the start of its hour, the exchange's own
--                    (get_funding_rate_value; see store.funding_checksum): of a position in coins, by what it was worth at the
--                    start. NULL where one of these indices is not known. That it is the exchange's own is established of inverse
--                    perpetuals only: a linear one pays in its quote currency, and may be weighted by the index at the start of
--                    its hour / index at the start (make check asks which it is)
--   ..._annualised   simple, by the hours that are there: * 8760 / hours
-- The index at the start of an hour is told with the hour (prev_index_price), or was the index at the end of the one before.
CREATE FUNCTION funding_between(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS TABLE (hours_expected integer, hours_missing integer, funding_sum float8, funding_sum_annualised float8,
               funding_weighted float8, funding_weighted_annualised float8)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT e.hours, e.hours - s.hours, s.plain, s.plain * 8760 / s.hours, s.weighted, s.weighted * 8760 / s.hours
    FROM store.lifetime l
    LEFT JOIN store.funding_start b USING (instrument_id)
    -- the ends of the first and the last of the whole hours
    CROSS JOIN LATERAL (
        SELECT date_bin('1 hour', greatest(funding_between."from", coalesce(b.first_hour - interval '1 hour', l.begins))
                                  + interval '59 minutes 59.999999 seconds', '2000-01-01') + interval '1 hour' AS first,
               date_bin('1 hour', least(funding_between."to", l.funding_ends, coalesce(funding_between.as_of, now())), '2000-01-01') AS last) AS w
    CROSS JOIN LATERAL (SELECT greatest(extract(epoch FROM w.last - w.first) / 3600 + 1, 0)::integer AS hours) AS e
    CROSS JOIN LATERAL (
        SELECT count(h.rate)::integer AS hours, sum(h.rate) AS plain,
               CASE WHEN count(h.rate) = count(h.rate / h.start_index)
                    THEN coalesce(min(h.start_index) FILTER (WHERE h.ts = w.first), min(h.index_price) FILTER (WHERE h.ts < w.first))
                         * sum(h.rate / h.start_index) END AS weighted
        FROM (SELECT f.ts, store.price(f.index_price) AS index_price,
                     CASE WHEN f.ts >= w.first AND f.interest_1h BETWEEN -1e50 AND 1e50 THEN f.interest_1h END AS rate,
                     coalesce(store.price(f.prev_index_price),
                              CASE WHEN lag(f.ts) OVER (ORDER BY f.ts) = f.ts - interval '1 hour'
                                   THEN store.price(lag(f.index_price) OVER (ORDER BY f.ts)) END) AS start_index
              FROM store.funding_rates_of(funding_between.as_of) AS f
              WHERE f.instrument_id = l.instrument_id AND f.ts >= w.first - interval '1 hour' AND f.ts <= w.last
                AND f.ts = date_bin('1 hour', f.ts, '2000-01-01')) AS h) AS s
    WHERE l.instrument_id = store.instrument_named(funding_between.instrument, funding_between."from", funding_between."to") AND l.perpetual
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (funding_between.as_of IS NULL OR (SELECT store.as_of(funding_between.as_of)) IS NOT NULL)
$$;
