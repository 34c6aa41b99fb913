-- What the gate looks at: one row an instrument-day that should exist, over the newest version of it, in one
-- pass over the minutes. Grain: instrument, day. Reads only.
-- Parameters: from, to (timestamptz, the interval), perpetual (boolean), outages_from, outages_to (timestamptz[]).
WITH expected AS (
    SELECT i.instrument_id, i.instrument, d::date AS day, f.perpetual_id,
           d::date = (i.listed_at AT TIME ZONE 'UTC')::date AS is_listing_day,
           greatest(d, date_trunc('minute', i.listed_at AT TIME ZONE 'UTC'), %(from)s AT TIME ZONE 'UTC') AS begins,
           least(d + interval '1 day', i.expires_at AT TIME ZONE 'UTC', %(to)s AT TIME ZONE 'UTC') AS ends
    FROM store.instrument i
    LEFT JOIN store.future f USING (instrument_id)
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', greatest(i.listed_at, %(from)s) AT TIME ZONE 'UTC'),
        least(i.expires_at, %(to)s) AT TIME ZONE 'UTC' - interval '1 minute', interval '1 day') AS d
    WHERE i.kind = 'future' AND (i.settlement_period = 'perpetual') = %(perpetual)s
      AND i.settlement_currency = ANY(%(currencies)s)
      AND i.listed_at < %(to)s AND i.expires_at > %(from)s
), outage AS (
    SELECT o.begins AT TIME ZONE 'UTC' AS begins, o.ends AT TIME ZONE 'UTC' AS ends
    FROM unnest(%(outages_from)s::timestamptz[], %(outages_to)s::timestamptz[]) AS o(begins, ends)
), day_profile AS MATERIALIZED (
    SELECT e.instrument_id, e.instrument, e.day, c.load_id, c.validation_id,
           (extract(epoch FROM e.ends - e.begins) / 60)::integer AS expected_minutes,
           coalesce(c.present, 0)::integer AS minutes,
           coalesce(c.doubled, 0)::integer AS doubled_minutes, coalesce(c.misaligned, 0)::integer AS misaligned_minutes,
           coalesce(c.disordered, 0)::integer AS disordered_minutes, coalesce(c.outside, 0)::integer AS outside_minutes,
           CASE WHEN c.load_id IS NULL THEN whole.explained
                ELSE m.explained + CASE WHEN e.is_listing_day THEN coalesce(m.first_present, 1) - 1 ELSE 0 END
           END::integer AS explained_minutes,
           CASE WHEN c.load_id IS NULL THEN (extract(epoch FROM e.ends - e.begins) / 60)::integer
                WHEN c.present = c.n THEN 0 ELSE gap.longest END::integer AS longest_gap_minutes,
           m.not_finite, m.not_positive, m.bounds_broken, m.negative, m.cost_without_volume, m.cost_inconsistent,
           m.untraded_not_flat, m.fill_off_previous, m.traded, m.spikes, m.smallest_spike, m.largest_move, m.mean_move,
           m.referenced, m.reference_distance
    FROM expected e
    LEFT JOIN LATERAL (SELECT * FROM store.candle_day v WHERE v.instrument_id = e.instrument_id AND v.day = e.day
                       ORDER BY v.load_id DESC LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT v.close, v.first_minute FROM store.candle_day v
                       WHERE v.instrument_id = e.perpetual_id AND v.day = e.day
                       ORDER BY v.load_id DESC LIMIT 1) p ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(sum(extract(epoch FROM least(o.ends, e.ends) - greatest(o.begins, e.begins)) / 60), 0) AS explained
        FROM outage o WHERE c.load_id IS NULL AND o.begins < e.ends AND o.ends > e.begins) whole ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(max(run), 0) AS longest
        FROM (SELECT count(*) AS run FROM (
                  SELECT i - row_number() OVER (ORDER BY i) AS island
                  FROM unnest(c.open) WITH ORDINALITY AS o(value, i) WHERE value IS NULL) AS islands
              GROUP BY island) AS runs
        WHERE c.present < c.n) gap ON true
    LEFT JOIN LATERAL (
        SELECT min(u.i) FILTER (WHERE u.open IS NOT NULL) AS first_present,
               count(*) FILTER (WHERE u.open IS NULL AND EXISTS (
                   SELECT FROM outage o WHERE e.day + (c.first_minute + u.i - 1) * interval '1 minute' >= o.begins
                                          AND e.day + (c.first_minute + u.i - 1) * interval '1 minute' < o.ends)) AS explained,
               count(*) FILTER (WHERE 'NaN' IN (u.open, u.high, u.low, u.close, u.volume, u.cost)
                   OR 'Infinity' IN (abs(u.open), abs(u.high), abs(u.low), abs(u.close), abs(u.volume), abs(u.cost))) AS not_finite,
               count(*) FILTER (WHERE u.open <= 0 OR u.high <= 0 OR u.low <= 0 OR u.close <= 0) AS not_positive,
               count(*) FILTER (WHERE u.high < greatest(u.open, u.close, u.low) OR u.low > least(u.open, u.close)) AS bounds_broken,
               count(*) FILTER (WHERE u.volume < 0 OR u.cost < 0) AS negative,
               count(*) FILTER (WHERE (u.volume = 0) <> (u.cost = 0)) AS cost_without_volume,
               count(*) FILTER (WHERE u.volume > 0 AND u.cost > 0
                   AND (u.cost > u.volume * u.high * 1.01 OR u.cost < u.volume * u.low * 0.99)) AS cost_inconsistent,
               count(*) FILTER (WHERE u.volume = 0 AND NOT (u.open = u.close AND u.high = u.close AND u.low = u.close)) AS untraded_not_flat,
               count(*) FILTER (WHERE u.volume = 0 AND u.close <> u.previous) AS fill_off_previous,
               count(*) FILTER (WHERE u.volume > 0) AS traded,
               count(*) FILTER (WHERE abs(u.close - u.previous) > 0.05 * u.previous
                                  AND abs(u.following - u.previous) < 0.2 * abs(u.close - u.previous)) AS spikes,
               min(abs(u.close / nullif(u.previous, 0) - 1))
                   FILTER (WHERE abs(u.close - u.previous) > 0.05 * u.previous
                             AND abs(u.following - u.previous) < 0.2 * abs(u.close - u.previous)) AS smallest_spike,
               max(abs(u.close / nullif(u.previous, 0) - 1)) AS largest_move,
               avg(abs(u.close / nullif(u.previous, 0) - 1)) AS mean_move,
               count(*) FILTER (WHERE u.volume > 0 AND u.reference IS NOT NULL) AS referenced,
               max(abs(u.close / nullif(u.reference, 0) - 1)) FILTER (WHERE u.volume > 0) AS reference_distance
        FROM unnest(c.open, c.high, c.low, c.close, c.volume, c.cost,
                    array_prepend(NULL::float8, c.close[1 : c.n - 1]), c.close[2 : c.n],
                    store.aligned(p.close, p.first_minute, c.first_minute, c.n))
             WITH ORDINALITY AS u(open, high, low, close, volume, cost, previous, following, reference, i)) m ON true
), usual AS (
    SELECT instrument_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean_move) AS move
    FROM day_profile WHERE mean_move > 0 AND mean_move < 'Infinity' GROUP BY instrument_id
)
SELECT d.instrument, d.day, d.instrument_id, d.load_id, d.validation_id, d.expected_minutes, d.minutes,
       d.expected_minutes - d.minutes - d.explained_minutes AS missing_minutes, d.explained_minutes, d.longest_gap_minutes,
       d.doubled_minutes, d.misaligned_minutes, d.disordered_minutes, d.outside_minutes,
       coalesce(d.not_finite, 0) AS not_finite_minutes, coalesce(d.not_positive, 0) AS not_positive_minutes,
       coalesce(d.bounds_broken, 0) AS bounds_broken_minutes, coalesce(d.negative, 0) AS negative_minutes,
       coalesce(d.cost_without_volume, 0) AS cost_without_volume_minutes,
       coalesce(d.cost_inconsistent, 0) AS cost_inconsistent_minutes,
       coalesce(d.untraded_not_flat, 0) AS untraded_not_flat_minutes,
       coalesce(d.fill_off_previous, 0) AS fill_off_previous_minutes,
       CASE WHEN d.smallest_spike > 20 * u.move THEN d.spikes ELSE 0 END AS spike_minutes,
       d.largest_move, d.largest_move / u.move AS largest_move_ratio,
       coalesce(d.referenced, 0) AS reference_minutes, d.reference_distance, coalesce(d.traded, 0) AS traded_minutes
FROM day_profile d LEFT JOIN usual u USING (instrument_id)
ORDER BY d.instrument, d.day
