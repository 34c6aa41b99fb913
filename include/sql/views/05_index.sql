-- The perpetual that stands in for each index, on the days [from_day, past_day): one that is quoted in it. Of several
-- the older stays until its lifetime is over.
CREATE VIEW store.index_proxy AS
    SELECT * FROM (
        SELECT l.price_index AS index_name, l.instrument_id AS perpetual_id, l.instrument AS perpetual, l.settlement_currency,
               l.begins, l.ends,
               greatest(l.first_day, max(l.past_day) OVER (PARTITION BY l.price_index ORDER BY l.begins, l.instrument_id
                                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS from_day,
               l.past_day
        FROM store.lifetime l JOIN store.collected c ON c.currency = l.settlement_currency
        WHERE l.perpetual AND l.price_index IS NOT NULL) AS lifetimes
    WHERE from_day < past_day;

-- Every UTC day from "from" to before "to" (NULL: all) on which an index has a perpetual to stand in for it, today the
-- last.
CREATE FUNCTION store.index_days("from" date, "to" date)
RETURNS TABLE (index_name text, perpetual_id integer, day date)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT x.index_name, x.perpetual_id, d::date
    FROM store.index_proxy x
    CROSS JOIN LATERAL generate_series(
        greatest(x.from_day, index_days."from")::timestamp,
        least(x.past_day, index_days."to", (now() AT TIME ZONE 'UTC')::date + 1)::timestamp - interval '1 day', interval '1 day') AS d
$$;

-- The index of every minute: ts is the bucket start, price the index at the bucket's END. source says whether
-- it is the index itself or the close of the perpetual standing in for it. Where no day of the perpetual is published
-- only what is known of the index itself has a price.
CREATE VIEW index_prices AS
    SELECT x.index_name, x.day::timestamp AT TIME ZONE 'UTC' + (w.first + m.i - 1) * interval '1 minute' AS ts,
           coalesce(known.hourly, m.charted, m.proxy) AS price,
           CASE WHEN known.hourly IS NOT NULL THEN 'funding_history'
                WHEN m.charted IS NOT NULL THEN 'funding_chart'
                WHEN m.proxy IS NOT NULL THEN 'perpetual_proxy' END AS source,
           x.day, x.proxy_error_p95, x.validation_id
    FROM store.index_day x
    LEFT JOIN store.candle_day p ON p.instrument_id = x.perpetual_id AND p.day = x.day AND p.version_id = x.perpetual_version_id
    CROSS JOIN LATERAL (SELECT coalesce(p.first_minute, 0) AS first, coalesce(p.n, 1440) AS n OFFSET 0) AS w
    CROSS JOIN LATERAL (
        SELECT unnest(p.close) AS proxy, unnest(store.slice_minutes(x.minutes, 0, w.first, w.n)) AS charted,
               generate_series(1, w.n) AS i) AS m
    CROSS JOIN LATERAL (SELECT CASE WHEN (w.first + m.i) % 60 = 0 THEN x.hourly[(w.first + m.i) / 60] END AS hourly) AS known
    WHERE x.published AND (p.validation_id IS NOT NULL OR x.perpetual_version_id IS NULL);

-- How far the perpetual is from the index it stands in for, measured where both are known: fractions.
CREATE VIEW index_proxy_error AS
    SELECT index_name, day, compared_hours, proxy_error_mean, proxy_error_p95, proxy_error_max, validation_id
    FROM store.index_day WHERE published;
