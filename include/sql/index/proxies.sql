-- Each index and the perpetual that stands in for it today. Grain: index. Reads only.
SELECT index_name, perpetual FROM store.index_proxy
WHERE settlement_currency = ANY(%(currencies)s)
  AND (now() AT TIME ZONE 'UTC')::date >= from_day AND (now() AT TIME ZONE 'UTC')::date < past_day
ORDER BY index_name
