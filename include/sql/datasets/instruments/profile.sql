-- One row an instrument of the catalogue, and one a row that could not be read, which has a cause and nothing else.
-- Grain: instrument. Reads only. A dated name says its expiry day; the expiry of a perpetual is written as the exchange
-- writes it, the year 3000.
SELECT label AS instrument, instrument AS name, kind, listed_at, expires_at, tick_size, is_perpetual, base_currency,
       extract(epoch FROM expires_at - listed_at)::float8 / 60 AS lifetime_minutes,
       CASE WHEN is_perpetual THEN instrument LIKE '%%PERPETUAL'
            ELSE split_part(instrument, '-', 2) = upper(to_char(expires_at AT TIME ZONE 'UTC', 'FMDDMONYY')) END AS name_expiry_matches,
       NOT EXISTS (SELECT FROM store.instrument o
                   WHERE o.instrument = listed.instrument AND o.instrument_id <> listed.instrument_id
                     AND o.listed_at < listed.expires_at AND o.expires_at > listed.listed_at) AS lifetimes_disjoint,
       NULL AS unreadable, 1 AS rows_expected, 0 AS rows_missing
FROM (SELECT instrument_id, instrument, label, kind, listed_at, tick_size, base_currency, settlement_period = 'perpetual' AS is_perpetual,
             least(expires_at, '3000-01-01 08:00:00+00') AS expires_at
      FROM store.instrument) AS listed
UNION ALL
SELECT subject || ' as the ' || host || ' host tells it', NULL, kind, min(first_seen_at), NULL, NULL, NULL, NULL, NULL, NULL, NULL, min(cause), 1, 0
FROM store.unreadable_instrument GROUP BY subject, host, kind
ORDER BY 1
