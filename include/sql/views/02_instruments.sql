-- The lifetime of every future and perpetual, [begins, ends) in whole minutes: from the listing to the expiry, or to the
-- end that was found. Plans, profiles and coverage all ask here what is to be expected.
CREATE VIEW store.lifetime AS
    SELECT i.instrument_id, i.instrument, i.label, i.settlement_period, coalesce(i.settlement_period = 'perpetual', false) AS perpetual,
           i.base_currency, i.quote_currency, i.settlement_currency, i.instrument_type, i.price_index,
           i.expires_at, l.begins, l.ends,
           CASE WHEN e.instrument_id IS NULL THEN l.ends ELSE least(l.ends, coalesce(e.last_hour, l.begins)) END AS funding_ends,
           (l.begins AT TIME ZONE 'UTC')::date AS first_day,
           ((l.ends - interval '1 minute') AT TIME ZONE 'UTC')::date + 1 AS past_day  -- the first day after it
    FROM store.instrument i LEFT JOIN store.delisting e USING (instrument_id)
    CROSS JOIN LATERAL (SELECT date_trunc('minute', i.listed_at, 'UTC') AS begins,
                               date_trunc('minute', least(i.expires_at, e.ends_at), 'UTC') AS ends) AS l
    WHERE i.kind = 'future' AND l.begins < l.ends;

-- Which instrument a name stood for in a stretch of time, from <= ts < to; NULL when none lived then. A name that was
-- listed again is told by the time; where that does not tell them apart, an error says which ids there are. `name#id`
-- asks for one of them. A name that was listed once stands for that, whenever.
CREATE FUNCTION store.instrument_named(name text, "from" timestamptz, "to" timestamptz) RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    ids integer[] := ARRAY(SELECT i.instrument_id FROM store.instrument i WHERE i.instrument = name);
    candidates text;
BEGIN
    IF cardinality(ids) = 0 AND strpos(name, '#') > 0 THEN
        RETURN (SELECT i.instrument_id FROM store.instrument i
                WHERE i.instrument = split_part(name, '#', 1) AND (i.exchange_id::text = split_part(name, '#', 2) OR i.label = name)
                LIMIT 1);
    END IF;
    IF cardinality(ids) > 1 THEN
        SELECT array_agg(i.instrument_id),
               string_agg(format('%s from %s to %s', coalesce(i.instrument || '#' || i.exchange_id, i.label), i.listed_at,
                                 i.expires_at), ', ' ORDER BY i.listed_at)
        INTO ids, candidates
        FROM store.instrument i
        WHERE i.instrument_id = ANY (ids) AND date_trunc('minute', i.listed_at, 'UTC') < "to" AND i.expires_at > "from";
        IF cardinality(ids) > 1 THEN
            RAISE EXCEPTION '% was listed more than once from % to %: ask for one of %', name, "from", "to", candidates
                USING ERRCODE = 'cardinality_violation';
        END IF;
    END IF;
    RETURN ids[1];
END $$;

-- The catalogue for those who read it: every instrument there is or was, expires_at NULL where it never ends.
CREATE VIEW instruments AS
    SELECT instrument, exchange_id, label, kind, base_currency, quote_currency, settlement_currency, settlement_period,
           instrument_type, price_index, underlying_type, tick_size, contract_size, listed_at,
           nullif(expires_at, 'infinity') AS expires_at, strike, option_type, state, is_active, host, first_seen_at, changed_at
    FROM store.instrument;

-- Which perpetual a dated future is measured against on the days [from_day, past_day): one of the same coin, quote,
-- settlement and type. Of several (a successor, a name listed again) the older stays until its lifetime is over.
CREATE VIEW store.future AS
    SELECT f.instrument_id, f.instrument, f.label, f.settlement_period, f.base_currency, f.settlement_currency, f.price_index,
           f.begins AS listed_at, f.ends, f.expires_at,
           p.instrument_id AS perpetual_id, p.instrument AS perpetual, p.begins AS perpetual_begins, p.ends AS perpetual_ends,
           greatest(p.from_day, f.first_day) AS from_day, least(p.past_day, f.past_day) AS past_day
    FROM store.lifetime f
    JOIN (SELECT *, greatest(first_day, max(past_day) OVER (
                        PARTITION BY base_currency, quote_currency, settlement_currency, instrument_type
                        ORDER BY begins, instrument_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS from_day
          FROM store.lifetime WHERE perpetual) AS p
      USING (base_currency, quote_currency, settlement_currency, instrument_type)
    WHERE NOT f.perpetual AND greatest(p.from_day, f.first_day) < least(p.past_day, f.past_day);
