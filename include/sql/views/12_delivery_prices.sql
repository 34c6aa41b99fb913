-- The delivery prices as they are published, or were published at the time as_of.
CREATE FUNCTION store.delivery_prices_of(as_of timestamptz)
RETURNS TABLE (index_name text, day date, ts timestamptz, price float8, host text, loaded_at timestamptz, validation_id bigint,
               validated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.index_name, x.day, (x.day + time '08:00') AT TIME ZONE 'UTC', x.price, l.host, l.loaded_at, v.validation_id, v.validated_at
    FROM store.delivery_price x
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN delivery_prices_of.as_of IS NULL THEN x.validation_id
         ELSE store.published_by(x.shown, (SELECT store.as_of(delivery_prices_of.as_of))) END
    WHERE CASE WHEN delivery_prices_of.as_of IS NULL THEN x.state = 'published'
               ELSE x.shown @> (SELECT store.as_of(delivery_prices_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (delivery_prices_of.as_of IS NULL OR (SELECT store.as_of(delivery_prices_of.as_of)) IS NOT NULL)
$$;

-- The price at which contracts on an index that expire at 08:00 UTC of a day are delivered, in the index's quote currency. ts is
-- that instant.
CREATE VIEW delivery_prices AS SELECT * FROM store.delivery_prices_of(NULL);

-- The delivery prices of one index with from <= ts < to, in order of time: as they are published, or were at the time as_of.
CREATE FUNCTION delivery_price(index_name text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF delivery_prices
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.* FROM store.delivery_prices_of(delivery_price.as_of) AS x
    WHERE x.index_name = delivery_price.index_name AND x.ts >= delivery_price."from" AND x.ts < delivery_price."to"
    ORDER BY x.ts
$$;
