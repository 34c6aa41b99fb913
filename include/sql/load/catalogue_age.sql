-- When each currency's futures were last read in full. Grain: a currency. Reads only.
SELECT currency, read_at FROM store.catalogue_reading WHERE kind = 'future' AND currency = ANY(%(currencies)s)
