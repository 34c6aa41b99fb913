-- The currencies that have a volatility index, and the first hour for which it may exist.
CREATE VIEW store.volatility_currency AS
    SELECT currency, timestamptz '2021-03-24 00:00+00' AS first_hour FROM (VALUES ('BTC'), ('ETH')) AS v(currency);

-- The volatility index by the hour, as it is published, or was published at the time as_of.
CREATE FUNCTION store.volatility_index_of(as_of timestamptz)
RETURNS TABLE (currency text, ts timestamptz, open float8, high float8, low float8, close float8, host text, loaded_at timestamptz,
               validation_id bigint, validated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.currency, x.ts, x.open, x.high, x.low, x.close, l.host, l.loaded_at, v.validation_id, v.validated_at
    FROM store.volatility_index x
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN volatility_index_of.as_of IS NULL THEN x.validation_id
         ELSE store.published_by(x.shown, (SELECT store.as_of(volatility_index_of.as_of))) END
    WHERE CASE WHEN volatility_index_of.as_of IS NULL THEN x.state = 'published'
               ELSE x.shown @> (SELECT store.as_of(volatility_index_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (volatility_index_of.as_of IS NULL OR (SELECT store.as_of(volatility_index_of.as_of)) IS NOT NULL)
$$;

-- The volatility index (DVOL): the volatility of the next thirty days that options are priced with, in percent a year. ts is
-- the START of the hour. An hour's open need not be the close before it.
CREATE VIEW volatility_index AS SELECT * FROM store.volatility_index_of(NULL);

-- The volatility index of one currency with from <= ts < to, in order of time: as it is published, or was at the time as_of.
CREATE FUNCTION volatility(currency text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF volatility_index
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.* FROM store.volatility_index_of(volatility.as_of) AS x
    WHERE x.currency = volatility.currency AND x.ts >= volatility."from" AND x.ts < volatility."to"
    ORDER BY x.ts
$$;
