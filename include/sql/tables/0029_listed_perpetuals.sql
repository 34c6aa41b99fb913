-- When the live host last listed a perpetual: a row a currency's list and name in it. One whose row is older than the newest reading of
-- that list is listed no more.
CREATE TABLE store.listed_perpetual (
    currency   text        NOT NULL,
    instrument text        NOT NULL,
    read_at    timestamptz NOT NULL,                   -- when the list that names it was read last
    PRIMARY KEY (currency, instrument)
);

-- Of lists that were read before this was kept it is taken that they named all that lived.
INSERT INTO store.listed_perpetual (currency, instrument, read_at)
SELECT DISTINCT r.currency, i.instrument, r.read_at
FROM store.instrument i
JOIN store.catalogue_reading r ON r.currency = i.settlement_currency AND r.kind = 'future' AND r.host = 'live' AND NOT r.expired
WHERE i.kind = 'future' AND i.settlement_period = 'perpetual' AND i.is_active IS NOT FALSE AND i.expires_at > r.read_at;
