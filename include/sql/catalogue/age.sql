-- When each currency's futures were last read in full (store.catalogue_age). Grain: a currency. Reads only. Parameters: currencies.
SELECT currency, read_at FROM store.catalogue_age WHERE currency = ANY(%(currencies)s)
