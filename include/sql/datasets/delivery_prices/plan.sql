-- The indexes of the collected currencies' futures and perpetuals, each with the days of an interval on which any of these was
-- listed. The exchange sends the newest 1,000 days first, so the days from now back to the interval are read. Grain: index. Reads
-- only. Parameters: from, to, currencies.
SELECT x.index_name AS subject, x.index_name AS instrument, NULL::integer AS instrument_id, w.begins, w.ends,
       greatest(1, ceil(extract(epoch FROM now() - w.begins) / (999 * 86400)))::integer AS requests
FROM (SELECT price_index AS index_name, min(first_day) AS first_day, max(past_day) AS past_day FROM store.lifetime
      WHERE price_index IS NOT NULL AND settlement_currency = ANY(%(currencies)s::text[]) GROUP BY price_index) AS x
CROSS JOIN LATERAL (SELECT greatest(%(from)s, x.first_day::timestamp AT TIME ZONE 'UTC') AS begins,
                           least(%(to)s, x.past_day::timestamp AT TIME ZONE 'UTC') AS ends) AS w
WHERE w.begins < w.ends
ORDER BY x.index_name
