-- The settlements as they are published, or were published at the time as_of.
CREATE FUNCTION store.settlements_of(as_of timestamptz)
RETURNS TABLE (instrument text, day date, type text, settled_at timestamptz, "position" float8, mark_price float8, index_price float8,
               profit_loss float8, session_profit_loss float8, funding float8, host text, loaded_at timestamptz, validation_id bigint,
               validated_at timestamptz, instrument_id integer)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT i.instrument, x.day, x.type, x.settled_at, x.position, x.mark_price, x.index_price, x.profit_loss, x.session_profit_loss,
           x.funding, l.host, l.loaded_at, v.validation_id, v.validated_at, x.instrument_id
    FROM store.settlement x
    JOIN store.instrument i USING (instrument_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN settlements_of.as_of IS NULL THEN x.validation_id
         ELSE store.published_by(x.shown, (SELECT store.as_of(settlements_of.as_of))) END
    WHERE CASE WHEN settlements_of.as_of IS NULL THEN x.state = 'published'
               ELSE x.shown @> (SELECT store.as_of(settlements_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (settlements_of.as_of IS NULL OR (SELECT store.as_of(settlements_of.as_of)) IS NOT NULL)
$$;

-- The settlement of a future or perpetual on a UTC day, just after 08:00. type: settlement, or delivery for the one with which a
-- contract ends. Profit and loss are the sums over all holders.
CREATE VIEW settlements AS
    SELECT instrument, day, type, settled_at, "position", mark_price, index_price, profit_loss, session_profit_loss, funding, host,
           loaded_at, validation_id, validated_at
    FROM store.settlements_of(NULL);

-- The settlements of one instrument (a name, or name#id: see store.instrument_named) with from <= settled_at < to, in order of
-- time: as they are published, or were at the time as_of.
CREATE FUNCTION settlement(instrument text, "from" timestamptz, "to" timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF settlements
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.instrument, x.day, x.type, x.settled_at, x."position", x.mark_price, x.index_price, x.profit_loss, x.session_profit_loss,
           x.funding, x.host, x.loaded_at, x.validation_id, x.validated_at
    FROM store.settlements_of(settlement.as_of) AS x
    WHERE x.instrument_id = store.instrument_named(settlement.instrument, settlement."from", settlement."to")
      AND x.settled_at >= settlement."from" AND x.settled_at < settlement."to"
    ORDER BY x.settled_at, x.type
$$;
