-- The n elements from minute "at" on of an array that starts at minute "first" of a day; NULL where it has
-- nothing. So arrays that start at different minutes are laid side by side, and a minute is cut out of a day. An array
-- that is wanted to the end of the day is taken as it is: cutting goes element by element.
CREATE FUNCTION store.slice_minutes(elements float8[], first integer, at integer, n integer) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN first IS NULL OR at IS NULL THEN NULL
                WHEN at = first AND at + n >= 1440 THEN elements
                WHEN at >= first THEN elements[at - first + 1 : at - first + n]
                ELSE array_fill(NULL::float8, ARRAY[least(first - at, n)]) || elements[1 : n - (first - at)] END
$$;

-- A price as something to calculate with; NULL where it is not positive, or none that a product or a quotient of two
-- can hold, which plain arithmetic would stop the whole statement at. No market has such a price, but a wrong row may.
CREATE FUNCTION store.price(value float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value > 1e-50 AND value < 1e50 THEN value END
$$;

-- The same of an array of prices, and the array itself where it is known that every one can be calculated with.
CREATE FUNCTION store.prices("values" float8[], calculable boolean) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN calculable THEN "values"
                ELSE (SELECT array_agg(store.price(u.value) ORDER BY u.i) FROM unnest("values") WITH ORDINALITY AS u(value, i)) END
$$;

-- How far a price is from another, as a fraction of that one; NULL where either is unknown or there is nothing
-- to measure against. What can't be a price is infinitely far, where plain division would overflow and so keep
-- a whole interval from being validated for one bad number.
CREATE FUNCTION store.relative_distance(price float8, reference float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN price BETWEEN 1e-50 AND 1e50 AND reference BETWEEN 1e-50 AND 1e50 THEN abs(price / reference - 1)
                WHEN price IS NULL OR reference IS NULL OR reference = 0 THEN NULL
                WHEN price = 0 THEN 1
                ELSE 'Infinity' END
$$;

-- How far an amount is from volume at prices between low and high, as a fraction of that; an allowance t, the larger of
-- 1 USD and 2 bp of the amount, is free. Infinite where one of them is no amount or price a market has.
CREATE FUNCTION store.cost_deviation(cost float8, volume float8, low float8, high float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN cost NOT BETWEEN 1e-50 AND 1e50 OR volume NOT BETWEEN 1e-50 AND 1e50 THEN 'Infinity'
                WHEN cost < volume * l - t THEN 1 - (cost + t) / (volume * l)
                WHEN cost > volume * h + t THEN (cost - t) / (volume * h) - 1
                ELSE 0 END
    -- what is no price bounds nothing that could be
    FROM (SELECT greatest(least(low, 1e50), 1e-50) AS l, greatest(least(high, 1e50), 1e-50) AS h,
                 greatest(1, 2e-4 * least(cost, 1e50)) AS t) AS b
$$;

-- The minute of the UTC day an instant lies in, 0 to 1439, whatever the session's time zone.
CREATE FUNCTION store.minute_of(at timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (extract(hour FROM at AT TIME ZONE 'UTC') * 60 + extract(minute FROM at AT TIME ZONE 'UTC'))::integer
$$;

-- Which minutes of a UTC day, of the n from first_minute on, have from <= ts < to: those from "first" to before "past".
CREATE FUNCTION store.clip_minutes(day date, first_minute integer, n integer, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (first integer, past integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(first_minute, ceil(least((extract(epoch FROM "from")::float8 - m.epoch) / 60, 1440)))::integer,
           least(first_minute + n, ceil(greatest((extract(epoch FROM "to")::float8 - m.epoch) / 60, 0)))::integer
    FROM (SELECT extract(epoch FROM day)::float8 AS epoch) AS m
$$;

-- The closes at the ends of a day's 24 hours, as something to calculate with: element k is that of the minute that ends
-- k hours after midnight. (The slice takes the array out of its compression once, not 24 times.)
CREATE FUNCTION store.hourly(elements float8[], first integer) RETURNS float8[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(store.price(e.elements[k * 60 - first]) ORDER BY k)
    FROM (SELECT elements[1 : 1440] AS elements OFFSET 0) AS e CROSS JOIN generate_series(1, 24) AS k
$$;

-- How far two prices are apart, as a fraction of the smaller one; NULL where one is unknown.
CREATE FUNCTION store.symmetric_distance(one float8, other float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN one IS NOT NULL AND other IS NOT NULL THEN store.relative_distance(greatest(one, other), least(one, other)) END
$$;

-- Which validation had published a version that was published while "validation_id" was the newest.
CREATE FUNCTION store.published_by(shown int8multirange, validation_id bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lower(r) FROM unnest(shown) AS r WHERE r @> validation_id
$$;

-- The newest validation at a point in time. A version was published then if this validation or an earlier one published it, and
-- none up to this one took it away. Raises an error for a time for which replaced versions are no longer kept, and for a time that
-- is still to come.
CREATE FUNCTION store.as_of(at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    kept timestamptz := (SELECT kept_from FROM store.retention);
BEGIN
    IF at < kept THEN
        RAISE EXCEPTION 'what was published at % can''t be told any more: versions that were replaced are kept since %', at, kept
            USING ERRCODE = 'data_exception', HINT = 'DERIBIT_KEEP_SUPERSEDED_DAYS says how long they are kept.';
    ELSIF at > now() THEN
        RAISE EXCEPTION 'what will be published at % is not known', at USING ERRCODE = 'data_exception';
    END IF;
    RETURN coalesce((SELECT validation_id FROM store.validation WHERE validated_at <= at ORDER BY validated_at DESC, validation_id DESC LIMIT 1), 0);
END $$;

-- Whether it is known which minutes with from <= ts < to were published at the time as_of. Raises an error for a time that
-- store.as_of() refuses, and for one at which minutes of open days were shown that are deleted by now (store.closed_day).
CREATE FUNCTION store.minutes_kept(as_of timestamptz, "from" timestamptz, "to" timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE AS $$
DECLARE
    asked bigint := store.as_of(as_of);
    deleted record;
BEGIN
    SELECT min(k.day) AS day, max(v.validated_at) AS closed_at INTO deleted
    FROM store.closed_day k JOIN store.validation v USING (validation_id)
    WHERE k.validation_id > asked AND k.day >= ("from" AT TIME ZONE 'UTC')::date
      -- at the time a day began nothing of it was published
      AND k.day::timestamp AT TIME ZONE 'UTC' < least("to", as_of) AND "from" < as_of;
    IF deleted.day IS NOT NULL THEN
        RAISE EXCEPTION 'what was published of % at % can''t be told any more: it was an open day, and its live minutes are deleted',
                        deleted.day, as_of
            USING ERRCODE = 'data_exception',
                  HINT = format('The oldest time that can be asked of these days is %s: since then they are shown as closed days.', deleted.closed_at);
    END IF;
    RETURN true;
END $$;

-- The first five of some names or sentences, and how many more there are, for a finding; NULL where there are none.
CREATE FUNCTION store.named(names text[], separator text DEFAULT '; ') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN cardinality(names) > 0 THEN array_to_string(names[1:5], separator)
                || CASE WHEN cardinality(names) > 5 THEN format(' and %s more', cardinality(names) - 5) ELSE '' END END
$$;
