-- What underlies the contracts of a coin of which no host said it: crypto, where all that is known of its other contracts is that. Before
-- 2026-06-30 the exchange said it of none, and all were crypto.
CREATE FUNCTION store.underlying_of_coin(coin text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN bool_and(i.underlying_type IS NULL OR i.underlying_type = 'crypto') THEN 'crypto' ELSE 'unknown' END
    FROM store.instrument i
    WHERE i.kind = 'future' AND i.base_currency = coin AND (i.underlying_type IS NOT NULL OR i.listed_at < '2026-06-30 00:00+00')
$$;

-- What underlies a contract: what a host said or, where none did (the history host says it of no contract), what is certain: what
-- settles in the coin it is about is crypto, and so is what was listed before 2026-06-30. Of the rest its coin decides.
CREATE FUNCTION store.underlying_type(i store.instrument) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN i.underlying_type IS NOT NULL THEN i.underlying_type
                WHEN i.settlement_currency = i.base_currency OR i.listed_at < '2026-06-30 00:00+00' THEN 'crypto'
                ELSE store.underlying_of_coin(i.base_currency) END
$$;

-- Whether it is on record how the crashes of the coin of a contract went, so that it is known which move none of them made: of BTC and
-- ETH, settled in the coin (the wild days that are rehearsed).
CREATE FUNCTION store.crash_known(i store.instrument) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT i.base_currency IN ('BTC', 'ETH') AND i.settlement_currency = i.base_currency $$;

-- The lifetime of every future and perpetual, [begins, ends) in whole minutes: from the listing to the expiry, or to the end that
-- was detected. Plans, profiles and coverage all take from here which data is expected.
CREATE VIEW store.lifetime AS
    SELECT i.instrument_id, i.instrument, i.label, i.settlement_period, coalesce(i.settlement_period = 'perpetual', false) AS perpetual,
           i.base_currency, i.quote_currency, i.settlement_currency, i.instrument_type, i.price_index,
           i.expires_at, l.begins, l.ends,
           CASE WHEN e.instrument_id IS NULL THEN l.ends ELSE least(l.ends, coalesce(e.last_hour, l.begins)) END AS funding_ends,
           (l.begins AT TIME ZONE 'UTC')::date AS first_day,
           ((l.ends - interval '1 minute') AT TIME ZONE 'UTC')::date + 1 AS past_day  -- the first day after it
    FROM store.instrument i LEFT JOIN store.delisting e USING (instrument_id)
    -- a minute is the same in every time zone, and date_bin asks for none
    CROSS JOIN LATERAL (SELECT date_bin('1 minute', i.listed_at, '2000-01-01 00:00+00') AS begins,
                               date_bin('1 minute', least(i.expires_at, e.ends_at), '2000-01-01 00:00+00') AS ends) AS l
    WHERE i.kind = 'future' AND l.begins < l.ends;

-- The instrument that had a name in a span of time, from <= ts < to; NULL if there was none. If several instruments had the name,
-- the time decides; if it does not, an error lists their ids. `name#id` stands for a particular one. A name that was listed only
-- once stands for that instrument at any time.
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

-- Which instrument that is (see store.instrument_named), where something is kept by its name alone, and from when to before when the name
-- was its: up to the next one's listing. What the catalogue does not know yet had its name at any time.
CREATE FUNCTION store.name_of(name text, "from" timestamptz, "to" timestamptz)
RETURNS TABLE (instrument text, begins timestamptz, ends timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT i.instrument,
           CASE WHEN EXISTS (SELECT FROM store.instrument b WHERE b.instrument = i.instrument AND b.listed_at < i.listed_at) THEN i.listed_at ELSE '-infinity' END,
           coalesce((SELECT min(n.listed_at) FROM store.instrument n WHERE n.instrument = i.instrument AND n.listed_at > i.listed_at), 'infinity')
    FROM store.instrument i WHERE i.instrument_id = store.instrument_named(name_of.name, name_of."from", name_of."to")
    UNION ALL
    SELECT name_of.name, '-infinity', 'infinity' WHERE NOT EXISTS (SELECT FROM store.instrument i WHERE i.instrument = name_of.name)
$$;

-- The lists that are read of a currency's futures: READINGS of the pipeline, which says why these. An expired future may be in only one
-- of them; of what is listed there is one, the live host's.
CREATE VIEW store.list_of_futures AS
    SELECT host, expired FROM (VALUES ('history', true), ('live', true), ('live', false)) AS l(host, expired);

-- Whether the live host lists a perpetual: its newest list of that currency names it, or was never read. Of a name that is listed again
-- it is said of all its lives.
CREATE FUNCTION store.is_listed(i store.instrument) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT NOT EXISTS (SELECT FROM store.catalogue_reading r
                       WHERE r.currency = i.settlement_currency AND r.kind = 'future' AND NOT r.expired
                         AND NOT EXISTS (SELECT FROM store.listed_perpetual p
                                         WHERE p.currency = r.currency AND p.instrument = i.instrument AND p.read_at >= r.read_at))
$$;

-- The catalogue for readers: every instrument there is or was; expires_at is NULL for a perpetual.
CREATE VIEW instruments AS
    SELECT instrument, exchange_id, label, kind, base_currency, quote_currency, settlement_currency, settlement_period,
           instrument_type, price_index, underlying_type, tick_size, contract_size, listed_at,
           nullif(expires_at, 'infinity') AS expires_at, strike, option_type, state, is_active, host, first_seen_at, changed_at
    FROM store.instrument;

-- The perpetual with which a dated future is compared on the days [from_day, past_day): one of the same coin, quote, settlement
-- and type. If there are several (a successor, a name listed again), the oldest one counts until its lifetime is over.
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

-- The rules by which a series of futures rolls, and how many days before its expiry a contract is left at the latest.
--   expiry   always on that day: five days before the expiry, because trading moves to the next contract in the last week
--   volume   as soon as the next contract was traded more than the one that is held, on the last closed day
-- A change of these values moves the rolls concerned; each becomes a new version.
CREATE VIEW store.roll_rule AS
    SELECT rule, days_before_expiry FROM (VALUES ('expiry', 5), ('volume', 0)) AS r(rule, days_before_expiry);

-- The dated futures that a series may hold, by rule and set of eligible contracts, on the days [first_day, past_day): those they
-- live in full, up to the rule's last one. Futures of the same coin, quote, settlement and type are a family. What a contract
-- is says its expiry, for the exchange calls quarterly ones monthly: the last Friday of a month, or of March, June, September
-- and December. The expiry is the one it was listed with: that it ended earlier was not known before.
CREATE VIEW store.roll_contract AS
    SELECT concat_ws('/', f.base_currency, f.quote_currency, f.settlement_currency, f.instrument_type) AS family,
           f.base_currency, f.quote_currency, f.settlement_currency, f.instrument_type, r.rule, e.eligible,
           f.instrument_id, f.instrument, f.label, f.expires_at,
           ((f.begins + interval '1 day' - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS first_day,
           x.day - r.days_before_expiry AS past_day
    FROM store.lifetime f
    CROSS JOIN LATERAL (SELECT (f.expires_at AT TIME ZONE 'UTC')::date AS day) AS x
    CROSS JOIN LATERAL (SELECT extract(isodow FROM x.day) = 5 AND extract(month FROM x.day + 7) <> extract(month FROM x.day) AS monthly,
                               extract(month FROM x.day) IN (3, 6, 9, 12) AS quarter_ends) AS k
    CROSS JOIN store.roll_rule r
    CROSS JOIN (VALUES ('quarterly'), ('monthly'), ('all')) AS e(eligible)
    WHERE NOT f.perpetual AND f.quote_currency IS NOT NULL AND f.settlement_currency IS NOT NULL AND f.instrument_type IS NOT NULL
      AND CASE e.eligible WHEN 'quarterly' THEN k.monthly AND k.quarter_ends WHEN 'monthly' THEN k.monthly ELSE true END;

-- From which day to which (the last one itself) there are published candles of a family's dated futures.
CREATE VIEW store.roll_extent AS
    SELECT f.family, min(e.first_day) AS first_day, max(e.last_day) AS last_day
    FROM (SELECT instrument_id, family FROM store.roll_contract WHERE rule = 'expiry' AND eligible = 'all') AS f
    -- of each contract the two ends are looked up, and nothing between them
    CROSS JOIN LATERAL (
        SELECT (SELECT c.day FROM store.candle_day c WHERE c.instrument_id = f.instrument_id AND c.state = 'published'
                ORDER BY c.day LIMIT 1) AS first_day,
               (SELECT c.day FROM store.candle_day c WHERE c.instrument_id = f.instrument_id AND c.state = 'published'
                ORDER BY c.day DESC LIMIT 1) AS last_day) AS e
    WHERE e.first_day IS NOT NULL
    GROUP BY f.family;
