-- Each index and the perpetual that is quoted in it. Grain: index. Reads only.
SELECT index_name, perpetual FROM store.index_proxy WHERE settlement_currency = ANY(%(currencies)s) ORDER BY index_name
