-- One row for each hour that should exist, from the first hour that the exchange sent on (if it has sent none yet: from the first one
-- that may exist), and one for each row that was received off the hour; each over its newest version. Grain: currency, ts (start of
-- the hour). Reads only. Parameters: from, to (hours that begin in [from, to)), currencies.
--   values_unknown  how many of the four values of an hour that is there are not numbers: NaN stands for a null that was sent
WITH newest AS (
    SELECT DISTINCT ON (currency, ts) * FROM store.volatility_index
    WHERE ts >= %(from)s AND ts < %(to)s AND currency = ANY(%(currencies)s)
    ORDER BY currency, ts, version_id DESC
), expected AS (
    SELECT c.currency, h AS ts
    FROM store.volatility_currency c
    CROSS JOIN LATERAL (SELECT coalesce(min(x.ts), c.first_hour) AS first FROM store.volatility_index x
                        WHERE x.currency = c.currency AND x.ts = date_trunc('hour', x.ts, 'UTC')) AS told
    CROSS JOIN LATERAL generate_series(greatest(%(from)s, told.first), %(to)s - interval '1 hour', interval '1 hour') AS h
    WHERE c.currency = ANY(%(currencies)s::text[])
)
SELECT coalesce(e.currency, n.currency) AS currency, coalesce(e.ts, n.ts) AS ts, n.version_id,
       n.currency IS NULL AS missing, coalesce(e.ts, n.ts) = date_trunc('hour', coalesce(e.ts, n.ts), 'UTC') AS on_the_hour,
       coalesce(n.duplicate, false) AS duplicate, n.open, n.high, n.low, n.close,
       n.low <= least(n.open, n.close) AND n.high >= greatest(n.open, n.close) AS bounds_hold,
       CASE WHEN n.currency IS NULL THEN 0 ELSE
           (SELECT count(*) FROM unnest(ARRAY[n.open, n.high, n.low, n.close]) AS value WHERE value IN ('NaN', 'Infinity', '-Infinity')) END AS values_unknown,
       (e.currency IS NOT NULL)::integer AS rows_expected, (n.currency IS NULL)::integer AS rows_missing
FROM expected e FULL JOIN newest n USING (currency, ts)
ORDER BY 1, 2
