-- Records that a currency is collected, and from when on. Currencies that are no longer configured are removed. Grain: a currency. May
-- run twice. Parameters: currency, currencies (all that are configured), since.
WITH dropped AS (
    DELETE FROM store.collected WHERE currency <> ALL(%(currencies)s)
)
INSERT INTO store.collected AS c (currency, since) VALUES (%(currency)s, %(since)s)
ON CONFLICT (currency) DO UPDATE SET since = excluded.since WHERE c.since <> excluded.since
