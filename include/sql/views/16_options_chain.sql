-- The rows of an expiry's arrays, an option each. Dividing by a power of ten gives the very float8 that the exchange's decimal is
-- read as.
CREATE FUNCTION store.option_quotes(instruments text[], told_at timestamptz[], quotes bigint[], scales smallint[], odd_quotes float8[],
                                    underlying text[], interest_rate float8[])
RETURNS TABLE (instrument text, ts timestamptz, mark_price float8, mark_iv float8, bid_price float8, ask_price float8, last_price float8,
               open_interest float8, volume float8, underlying_price float8, index_price float8, underlying text, interest_rate float8)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT u.instrument, u.ts, coalesce(u.mark / 10::float8 ^ scales[1], u.odd_mark), coalesce(u.iv / 10::float8 ^ scales[2], u.odd_iv),
           coalesce(u.bid / 10::float8 ^ scales[3], u.odd_bid), coalesce(u.ask / 10::float8 ^ scales[4], u.odd_ask),
           coalesce(u.last / 10::float8 ^ scales[5], u.odd_last), coalesce(u.interest / 10::float8 ^ scales[6], u.odd_interest),
           coalesce(u.volume / 10::float8 ^ scales[7], u.odd_volume), coalesce(u.forward / 10::float8 ^ scales[8], u.odd_forward),
           coalesce(u.index / 10::float8 ^ scales[9], u.odd_index), u.underlying, u.rate
    FROM unnest(instruments, store.for_each(told_at, instruments), store.for_each(option_quotes.underlying, instruments),
                store.for_each(option_quotes.interest_rate, instruments),
                quotes[1:1][:], quotes[2:2][:], quotes[3:3][:], quotes[4:4][:], quotes[5:5][:], quotes[6:6][:], quotes[7:7][:], quotes[8:8][:],
                quotes[9:9][:], odd_quotes[1:1][:], odd_quotes[2:2][:], odd_quotes[3:3][:], odd_quotes[4:4][:], odd_quotes[5:5][:],
                odd_quotes[6:6][:], odd_quotes[7:7][:], odd_quotes[8:8][:], odd_quotes[9:9][:])
         AS u(instrument, ts, underlying, rate, mark, iv, bid, ask, last, interest, volume, forward, index,
              odd_mark, odd_iv, odd_bid, odd_ask, odd_last, odd_interest, odd_volume, odd_forward, odd_index)
$$;

-- The option chains, beat by beat, as they are published, or were at the moment as_of.
CREATE FUNCTION store.options_chain_of(as_of timestamptz)
RETURNS TABLE (currency text, expires_at timestamptz, ts timestamptz, instrument text, option_type text, strike float8,
               underlying_price float8, underlying text, mark_price float8, mark_iv float8, bid_price float8, ask_price float8,
               interest_rate float8, open_interest float8, volume float8, last_price float8, index_price float8,
               settlement text, base_currency text, beat timestamptz, series text,
               host text, loaded_at timestamptz, validation_id bigint, validated_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT c.currency, c.expires_at, u.ts, u.instrument, CASE right(u.instrument, 1) WHEN 'C' THEN 'call' ELSE 'put' END,
           replace(split_part(u.instrument, '-', 3), 'd', '.')::float8,
           u.underlying_price, u.underlying, u.mark_price, u.mark_iv, u.bid_price, u.ask_price, u.interest_rate, u.open_interest, u.volume,
           u.last_price, u.index_price, c.currency, split_part(split_part(c.series, '-', 1), '_', 1), c.beat, c.series,
           l.host, l.loaded_at, v.validation_id, v.validated_at
    FROM store.option_chain c
    JOIN store.roster r USING (roster_id)
    JOIN store.ingestion l USING (version_id)
    JOIN store.validation v ON v.validation_id = CASE WHEN options_chain_of.as_of IS NULL THEN c.validation_id
         ELSE store.published_by(c.shown, (SELECT store.as_of(options_chain_of.as_of))) END
    CROSS JOIN LATERAL store.option_quotes(r.instruments, c.told_at, c.quotes, c.scales, c.odd_quotes, c.underlying, c.interest_rate) AS u
    WHERE CASE WHEN options_chain_of.as_of IS NULL THEN c.state = 'published'
               ELSE c.shown @> (SELECT store.as_of(options_chain_of.as_of)) END
      -- a time that store.as_of() refuses is an error even if there are no rows
      AND (options_chain_of.as_of IS NULL OR (SELECT store.as_of(options_chain_of.as_of)) IS NOT NULL)
$$;

-- Every listed option, beat by beat. ts is the exchange's clock; prices are in the settlement currency.
CREATE VIEW options_chain AS SELECT * FROM store.options_chain_of(NULL);

-- The beat "beat", the newest one at or before "at" that was published at the time as_of (NULL: is). Raises an error where it may have
-- been another one, which is gone since the beats of that time were thinned.
CREATE FUNCTION store.beat_kept(dataset text, beat timestamptz, at timestamptz, as_of timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
    thinned timestamptz := (SELECT max(b.thinned_at) FROM store.snapshot_beat b
                            WHERE b.dataset = beat_kept.dataset AND b.thinned_at > beat_kept.as_of
                              AND beat_kept.at >= b.begins AND coalesce(beat_kept.beat, b.begins) < b.ends);
BEGIN
    IF thinned IS NOT NULL THEN
        RAISE EXCEPTION 'which snapshot before % was the newest at % can''t be told any more: of that time one an hour is kept', at, as_of
            USING ERRCODE = 'data_exception',
                  HINT = format('The oldest time that can be asked is %s, when they were thinned (DERIBIT_THIN_CHAINS_DAYS).', thinned);
    END IF;
    RETURN beat;
END $$;

-- The chain of a settlement currency as of the newest beat at or before a moment: what is published, or what was published at the
-- moment as_of.
CREATE FUNCTION chain_at(currency text, at timestamptz, as_of timestamptz DEFAULT NULL)
RETURNS SETOF options_chain
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.* FROM store.options_chain_of(chain_at.as_of) AS o
    WHERE o.currency = chain_at.currency
      AND o.beat = (SELECT store.beat_kept('options_chain', max(c.beat), chain_at.at, chain_at.as_of) FROM store.option_chain c
                    WHERE c.currency = chain_at.currency AND c.beat <= chain_at.at
                      AND CASE WHEN chain_at.as_of IS NULL THEN c.state = 'published'
                               ELSE c.shown @> (SELECT store.as_of(chain_at.as_of)) END)
    ORDER BY o.expires_at, o.series, o.strike, o.option_type
$$;
