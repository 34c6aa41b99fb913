-- What is published of the volatility index: currencies, rows (hours) and bytes a row with indexes, where kept versions weigh
-- with what is published; and how much that is of the hours of closed months from the first one, or from the first month that
-- is collected, on. Grain: the dataset. Reads only. Parameters: indexed, first_hour.
SELECT p.instruments, p.rows, p.bytes_a_row, 100.0 * p.closed / nullif(e.hours, 0) AS coverage_percent,
       greatest(coalesce(e.hours, 0) - p.closed, 0) AS missing_minutes
FROM (SELECT count(DISTINCT currency) AS instruments, count(*) AS rows,
             count(*) FILTER (WHERE ts < date_trunc('month', now(), 'UTC')) AS closed,
             pg_total_relation_size('store.volatility_index')::numeric / nullif(count(*), 0) AS bytes_a_row
      FROM store.volatility_index WHERE state = 'published') AS p
CROSS JOIN (
    SELECT sum(extract(epoch FROM date_trunc('month', now(), 'UTC') - f.first) / 3600)::bigint AS hours
    FROM store.collected c
    -- the first hour that was told counts where it is one of the first there may be
    CROSS JOIN LATERAL (SELECT min(x.ts) AS ts FROM store.volatility_index x WHERE x.currency = c.currency) AS told
    CROSS JOIN LATERAL (
        SELECT greatest(c.since, %(first_hour)s::timestamptz,
                        CASE WHEN told.ts < %(first_hour)s::timestamptz + interval '7 days' THEN told.ts END) AS first) AS f
    WHERE c.currency = ANY(%(indexed)s::text[]) AND f.first < date_trunc('month', now(), 'UTC')) AS e
