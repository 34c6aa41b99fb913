-- One row an instrument of the catalogue. Grain: instrument. Reads only. A dated name says its expiry day; the
-- expiry of a perpetual is written as the exchange writes it, the year 3000.
SELECT instrument, kind, listed_at, expires_at, tick_size, is_perpetual, base_currency,
       extract(epoch FROM expires_at - listed_at)::float8 / 60 AS life_minutes,
       CASE WHEN is_perpetual THEN instrument LIKE '%%PERPETUAL'
            ELSE split_part(instrument, '-', 2) = upper(to_char(expires_at AT TIME ZONE 'UTC', 'FMDDMONYY')) END AS name_expiry_matches
FROM (SELECT instrument, kind, listed_at, tick_size, base_currency, settlement_period = 'perpetual' AS is_perpetual,
             least(expires_at, '3000-01-01 08:00:00+00') AS expires_at
      FROM store.instrument) AS listed
ORDER BY instrument
