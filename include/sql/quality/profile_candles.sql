-- What the gate looks at: one row an instrument-day that should exist, over the newest version of it, in one
-- pass over the minutes. Grain: instrument, day. Reads only.
-- Parameters: from, to (timestamptz, the interval), perpetual (boolean), outages_from, outages_to (timestamptz[]).
WITH expected AS (
    SELECT i.instrument_id, i.instrument, d::date AS day, f.perpetual_id,
           d::date = i.first_day AS is_listing_day,
           (extract(epoch FROM l.begins - d) / 60)::integer AS first_minute, (extract(epoch FROM l.ends - l.begins) / 60)::integer AS minutes
    FROM store.life i
    CROSS JOIN LATERAL generate_series(
        date_trunc('day', greatest(i.begins, %(from)s) AT TIME ZONE 'UTC'),
        least(i.ends, %(to)s) AT TIME ZONE 'UTC' - interval '1 minute', interval '1 day') AS d
    LEFT JOIN store.future f ON f.instrument_id = i.instrument_id AND d::date >= f.from_day AND d::date < f.past_day
    CROSS JOIN LATERAL (
        SELECT greatest(d, i.begins AT TIME ZONE 'UTC', %(from)s AT TIME ZONE 'UTC') AS begins,
               least(d + interval '1 day', i.ends AT TIME ZONE 'UTC', %(to)s AT TIME ZONE 'UTC') AS ends) AS l
    WHERE i.perpetual = %(perpetual)s AND i.settlement_currency = ANY(%(currencies)s)
      AND i.begins < %(to)s AND i.ends > %(from)s
), outage AS (
    SELECT o.begins AT TIME ZONE 'UTC' AS begins, o.ends AT TIME ZONE 'UTC' AS ends
    FROM unnest(%(outages_from)s::timestamptz[], %(outages_to)s::timestamptz[]) AS o(begins, ends)
), day_profile AS MATERIALIZED (
    SELECT e.instrument_id, e.instrument, e.day, c.load_id, c.validation_id, e.minutes AS expected_minutes,
           coalesce(c.present, 0)::integer AS minutes,
           coalesce(c.doubled, 0)::integer AS doubled_minutes, coalesce(c.misaligned, 0)::integer AS misaligned_minutes,
           coalesce(c.disordered, 0)::integer AS disordered_minutes, coalesce(c.outside, 0)::integer AS outside_minutes,
           hole.missing, hole.explained, hole.longest,
           m.not_finite, m.not_positive, m.bounds_broken, m.negative, m.cost_without_volume, m.cost_inconsistent,
           m.untraded_not_flat, m.fill_off_previous, m.traded, m.spikes, m.largest_move, m.mean_move,
           m.referenced, m.reference_distance
    FROM expected e
    LEFT JOIN LATERAL (SELECT * FROM store.candle_day v WHERE v.instrument_id = e.instrument_id AND v.day = e.day
                       ORDER BY v.load_id DESC LIMIT 1) c ON true
    LEFT JOIN LATERAL (SELECT v.close, v.first_minute FROM store.candle_day v
                       WHERE v.instrument_id = e.perpetual_id AND v.day = e.day
                       ORDER BY v.load_id DESC LIMIT 1) p ON true
    LEFT JOIN LATERAL (
        SELECT min(u.i) FILTER (WHERE u.open IS NOT NULL) AS first_present,
               count(*) FILTER (WHERE 'NaN' IN (u.open, u.high, u.low, u.close, u.volume, u.cost)
                   OR 'Infinity' IN (abs(u.open), abs(u.high), abs(u.low), abs(u.close), abs(u.volume), abs(u.cost))) AS not_finite,
               count(*) FILTER (WHERE u.open <= 0 OR u.high <= 0 OR u.low <= 0 OR u.close <= 0) AS not_positive,
               count(*) FILTER (WHERE u.high < greatest(u.open, u.close, u.low) OR u.low > least(u.open, u.close)) AS bounds_broken,
               count(*) FILTER (WHERE u.volume < 0 OR u.cost < 0) AS negative,
               count(*) FILTER (WHERE (u.volume = 0) <> (u.cost = 0)) AS cost_without_volume,
               -- values no product of two of them can hold are inconsistent, they must not stop the statement
               count(*) FILTER (WHERE u.volume > 0 AND u.cost > 0
                   AND CASE WHEN u.volume BETWEEN 1e-50 AND 1e50 AND u.cost BETWEEN 1e-50 AND 1e50
                            THEN u.cost NOT BETWEEN u.volume * greatest(u.low, 1e-50) * 0.99
                                                AND u.volume * greatest(least(u.high, 1e50), 1e-50) * 1.01
                            ELSE true END) AS cost_inconsistent,
               count(*) FILTER (WHERE u.volume = 0 AND NOT (u.open = u.close AND u.high = u.close AND u.low = u.close)) AS untraded_not_flat,
               count(*) FILTER (WHERE u.volume = 0 AND u.close <> u.previous) AS fill_off_previous,
               count(*) FILTER (WHERE u.volume > 0) AS traded,
               array_agg(v.move) FILTER (WHERE v.move > 0.05 AND store.apart(u.following, u.previous) < 0.2 * v.move) AS spikes,
               max(v.move) AS largest_move, avg(v.move) AS mean_move,
               count(*) FILTER (WHERE u.volume > 0 AND u.reference IS NOT NULL) AS referenced,
               max(store.apart(u.close, u.reference)) FILTER (WHERE u.volume > 0) AS reference_distance
        FROM (SELECT unnest(c.open) AS open, unnest(c.high) AS high, unnest(c.low) AS low, unnest(c.close) AS close,
                     unnest(c.volume) AS volume, unnest(c.cost) AS cost,
                     unnest(array_prepend(NULL::float8, c.close[1 : c.n - 1])) AS previous, unnest(c.close[2 : c.n]) AS following,
                     unnest(store.aligned(p.close, p.first_minute, c.first_minute, c.n)) AS reference, generate_series(1, c.n) AS i) AS u
        CROSS JOIN LATERAL (SELECT store.apart(u.close, u.previous) AS move OFFSET 0) AS v) m ON true
    LEFT JOIN LATERAL (
        -- only where something of the expected minutes is missing; on its listing day an instrument may begin late
        SELECT sum(run) AS missing, sum(explained) AS explained, max(run - late) AS longest
        FROM (SELECT count(*) AS run, count(*) FILTER (WHERE is_explained) AS explained,
                     count(*) FILTER (WHERE is_late) AS late
              FROM (SELECT x.minute - row_number() OVER (ORDER BY x.minute) AS island, l.is_late,
                           l.is_late OR EXISTS (SELECT FROM outage o WHERE e.day + x.minute * interval '1 minute' >= o.begins
                                                             AND e.day + x.minute * interval '1 minute' < o.ends) AS is_explained
                    FROM generate_series(e.first_minute, e.first_minute + e.minutes - 1) AS x(minute)
                    LEFT JOIN unnest(c.open) WITH ORDINALITY AS u(open, i) ON x.minute = c.first_minute + u.i - 1
                    CROSS JOIN LATERAL (SELECT coalesce(e.is_listing_day AND x.minute < c.first_minute + m.first_present - 1, false)) AS l(is_late)
                    WHERE u.open IS NULL) AS gone
              GROUP BY island) AS gaps
        WHERE (c.first_minute, c.n, c.present) IS DISTINCT FROM (e.first_minute, e.minutes, e.minutes)) hole ON true
), usual AS (
    SELECT instrument_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean_move) AS move
    FROM day_profile WHERE mean_move > 0 AND mean_move < 'Infinity' GROUP BY instrument_id
)
SELECT d.instrument, d.day, d.instrument_id, d.load_id, d.validation_id, d.expected_minutes, d.minutes,
       coalesce(d.missing - d.explained, 0)::integer AS missing_minutes, coalesce(d.explained, 0)::integer AS explained_minutes,
       coalesce(d.longest, 0)::integer AS longest_gap_minutes,
       d.doubled_minutes, d.misaligned_minutes, d.disordered_minutes, d.outside_minutes,
       coalesce(d.not_finite, 0) AS not_finite_minutes, coalesce(d.not_positive, 0) AS not_positive_minutes,
       coalesce(d.bounds_broken, 0) AS bounds_broken_minutes, coalesce(d.negative, 0) AS negative_minutes,
       coalesce(d.cost_without_volume, 0) AS cost_without_volume_minutes,
       coalesce(d.cost_inconsistent, 0) AS cost_inconsistent_minutes,
       coalesce(d.untraded_not_flat, 0) AS untraded_not_flat_minutes,
       coalesce(d.fill_off_previous, 0) AS fill_off_previous_minutes,
       (SELECT count(*) FROM unnest(d.spikes) AS spike(move) WHERE spike.move > 20 * coalesce(u.move, 0)) AS spike_minutes,
       d.largest_move, d.largest_move / u.move AS largest_move_ratio,
       coalesce(d.referenced, 0) AS reference_minutes, d.reference_distance, coalesce(d.traded, 0) AS traded_minutes
FROM day_profile d LEFT JOIN usual u USING (instrument_id)
ORDER BY d.instrument, d.day
