-- Since when this database knows of a collected currency: since the first of its perpetuals was told, or is now being told.
CREATE VIEW store.currency_known AS
    SELECT c.currency, coalesce(min(i.first_seen_at), o.since, now()) AS known_since
    FROM store.collected c
    LEFT JOIN store.instrument i ON i.kind = 'future' AND i.settlement_period = 'perpetual' AND i.settlement_currency = c.currency
    LEFT JOIN store.origin o ON true
    GROUP BY c.currency, o.since;

-- The first multiple of a cadence after a moment, UTC: at which something newer is to be published than what reaches to there.
-- Multiples of less than a month count from 2000-01-01, as beats do.
CREATE FUNCTION store.next_due(until timestamptz, cadence interval) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (CASE WHEN cadence >= interval '1 month' THEN date_trunc('month', until AT TIME ZONE 'UTC')
                 ELSE date_bin(cadence, until AT TIME ZONE 'UTC', timestamp '2000-01-01') END + cadence) AT TIME ZONE 'UTC'
$$;

-- The first minute that live has brought of an instrument since a moment, within the month that the moment lies in, and when it was
-- loaded first: of what is not closed yet the oldest. No row where it has brought none. After the end of the month, its own run is due.
CREATE FUNCTION store.first_open_minute(instrument_id integer, since timestamptz) RETURNS TABLE (ts timestamptz, loaded_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.ts, (SELECT l.loaded_at FROM store.ingestion l WHERE l.version_id = o.version_id)
    FROM store.open_candle o
    WHERE o.instrument_id = first_open_minute.instrument_id AND o.ts >= first_open_minute.since
      AND o.ts < store.next_due(first_open_minute.since, interval '1 month')
    ORDER BY o.ts, o.version_id LIMIT 1
$$;

-- How fresh what is published is, put together from what every dataset says (its file fresh.sql: the targets stand there). Grain:
-- dataset, instrument (index, currency, series). A condition on ends reaches the parts, and what lives has a row of an index to
-- read each: so "what is stale" (ends > now()) costs the same with any history.
--   due_at   when something newer than what is published was due: what reaches to a multiple of the cadence is complete to there. Not
--            before the instrument was known here: a new database isn't late
CREATE VIEW store.freshness AS
    SELECT f.dataset, f.instrument,
           CASE WHEN f.ends <= now() THEN 'ended'
                WHEN now() >= d.due_at + f.error_after THEN 'stale'
                WHEN now() >= d.due_at + f.warning_after THEN 'late'
                WHEN f.newest IS NULL THEN 'none yet'
                ELSE 'fresh' END AS state,
           f.newest, f.published_at, f.cadence, f.warning_after, f.error_after, d.due_at, f.ends
    FROM (
{datasets/*/fresh}
    ) AS f
    CROSS JOIN LATERAL (SELECT greatest(store.next_due(coalesce(f.until, f.begins), f.cadence), f.known_since) AS due_at) AS d;

CREATE VIEW freshness AS
    SELECT dataset, instrument, state, newest, now() - newest AS age, published_at, cadence, warning_after, error_after,
           CASE WHEN state <> 'ended' THEN due_at + warning_after END AS late_at,
           CASE WHEN state <> 'ended' THEN due_at + error_after END AS stale_at,
           nullif(ends, 'infinity') AS ends_at
    FROM store.freshness;
