-- Stores what the tickers of some options of a snapshot said, each by its place in the roster of its expiry. Grain: a snapshot. May
-- run twice: the newest is kept, for it is of the chain that was stored last. Parameters: currency, beat, asked (how many tickers),
-- instruments, told_ms (ms after the beat) and tickers (eight arrays of numbers) of those that answered.
INSERT INTO store.option_sample (currency, beat, asked, rosters, places, told_ms, tickers)
SELECT %(currency)s, %(beat)s, %(asked)s, coalesce(array_agg(p.roster_id ORDER BY n.at), '{}'), coalesce(array_agg(p.place ORDER BY n.at), '{}'),
       %(told_ms)s::integer[], %(tickers)s::real[]
FROM unnest(%(instruments)s::text[]) WITH ORDINALITY AS n(instrument, at)
LEFT JOIN LATERAL (
    SELECT r.roster_id, array_position(r.instruments, n.instrument)::smallint AS place
    FROM store.option_chain c JOIN store.roster r USING (roster_id)
    WHERE c.currency = %(currency)s AND c.beat = %(beat)s AND n.instrument = ANY (r.instruments)
    ORDER BY c.version_id DESC LIMIT 1) AS p ON true
ON CONFLICT (currency, beat) DO UPDATE
SET asked = excluded.asked, rosters = excluded.rosters, places = excluded.places, told_ms = excluded.told_ms, tickers = excluded.tickers
