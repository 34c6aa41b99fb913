-- The exchange's outages that are known, as the reviewed file expectations/known_outages.json had them when the views were made.
CREATE VIEW store.known_outage AS
    SELECT o."from" AS begins, o."to" AS ends, o.reason, o.source
    FROM jsonb_to_recordset({known_outages}::jsonb) AS o("from" timestamptz, "to" timestamptz, reason text, source text);

-- What traded on the days from "from" to "to" (itself), of all perpetuals and dated futures that are published, of closed days and of
-- open ones: a row a day of which anything is.
--   instruments  of which something of the day is published
--   traded       by minute of the day: something traded
--   asked        by minute of the day: a perpetual is published. A minute that a closed day lacks is in it, one that an open day lacks
--                is not: it may still come. NULL where no perpetual is published
-- Only of open days minutes are read, which are looked up by their key.
CREATE FUNCTION store.traded_days("from" date, "to" date) RETURNS TABLE (day date, instruments integer, traded bit(1440), asked bit(1440))
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p.day, sum(p.instruments)::integer, coalesce(bit_or(p.traded), 0::bit(1440)), bit_or(p.asked)
    FROM (SELECT c.day, count(*) AS instruments, bit_or(c.traded) AS traded,
                 bit_or((~ B'0'::bit(1440)) << (1440 - c.n) >> c.first_minute) FILTER (WHERE i.settlement_period = 'perpetual') AS asked
          FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
          WHERE c.state = 'published' AND c.day >= traded_days."from" AND c.day <= traded_days."to" GROUP BY c.day
          UNION ALL
          SELECT d.day, count(*), bit_or(m.traded), bit_or(m.asked)
          FROM (SELECT o.day FROM store.open_candle o WHERE o.state = 'published' ORDER BY o.day LIMIT 1) AS oldest
          CROSS JOIN (SELECT o.day FROM store.open_candle o WHERE o.state = 'published' ORDER BY o.day DESC LIMIT 1) AS newest
          CROSS JOIN LATERAL (SELECT greatest(traded_days."from", oldest.day) AS first, least(traded_days."to", newest.day) AS last) AS e
          CROSS JOIN LATERAL (SELECT e.first + later AS day FROM generate_series(0, e.last - e.first) AS later) AS d
          JOIN store.lifetime l ON d.day >= l.first_day AND d.day < l.past_day
          CROSS JOIN LATERAL (
              SELECT bit_or(set_bit(0::bit(1440), store.minute_of(o.ts), 1)) FILTER (WHERE o.volume > 0) AS traded,
                     bit_or(set_bit(0::bit(1440), store.minute_of(o.ts), 1)) FILTER (WHERE l.perpetual) AS asked
              FROM store.open_candle o
              WHERE o.instrument_id = l.instrument_id AND o.state = 'published'
                AND o.ts >= d.day::timestamp AT TIME ZONE 'UTC' AND o.ts < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
              HAVING count(*) > 0) AS m
          WHERE NOT EXISTS (SELECT FROM store.candle_day c WHERE c.instrument_id = l.instrument_id AND c.day = d.day AND c.state = 'published')
          GROUP BY d.day) AS p
    GROUP BY p.day
$$;

-- The longest stretches of time, in whole minutes, in which nothing traded that is collected: no dated future and no perpetual.
-- A day of which no perpetual is published is unknown, and so are minutes of an open day of which none is, and what lies outside the
-- perpetuals' lifetimes: no outage is in it, nor goes through it.
--   shortest     minutes. Shorter ones are not looked for
--   instruments  of which those days are published: they were asked (of several days the least)
--   unpublished  perpetuals that lived on those days and are not published there, or of an open day not for all these minutes: they may
--                have traded
--   quiet_share  of the other minutes of those days, how many were without a trade, a fraction. In the first years single minutes
--                often were: a stretch is left out that comes by chance, were each minute quiet by itself, on more than one
--                day in a hundred
-- Days are bits, put together by instrument. Only days in which a stretch can lie, or that begin or end in one, become minutes.
CREATE FUNCTION store.outages(shortest integer)
RETURNS TABLE (begins timestamptz, ends timestamptz, minutes integer, instruments integer, unpublished integer, quiet_share float8,
               known text, source text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH quiet AS MATERIALIZED (
        SELECT day, instruments, asked & ~ traded AS quiet, bit_count(asked) AS minutes, bit_count(asked & ~ traded) AS quiet_minutes
        FROM store.traded_days('-infinity', 'infinity') WHERE bit_count(asked & ~ traded) > 0
    ), minute AS (
        SELECT d.day, (d.day - date '2000-01-01') * 1440 + m AS minute
        FROM (SELECT day, quiet FROM quiet
              WHERE get_bit(quiet, 0) = 1 OR get_bit(quiet, 1439) = 1 OR strpos(quiet::text, repeat('1', shortest)) > 0 OFFSET 0) AS d
        CROSS JOIN generate_series(0, 1439) AS m
        WHERE get_bit(d.quiet, m) = 1
    ), part AS (
        SELECT stretch, day, min(minute) AS first, count(*) AS minutes
        FROM (SELECT day, minute, minute - row_number() OVER (ORDER BY minute) AS stretch FROM minute) AS m
        GROUP BY stretch, day
    ), found AS (
        SELECT to_timestamp(946684800::float8 + 60 * min(p.first)) AS begins, sum(p.minutes)::integer AS minutes,
               min(p.day) AS first_day, max(p.day) AS last_day, min(q.instruments) AS instruments,
               coalesce((sum(q.quiet_minutes) - sum(p.minutes)) / nullif(sum(q.minutes) - sum(p.minutes), 0), 0)::float8 AS quiet_share
        FROM part p JOIN quiet q USING (day)
        GROUP BY p.stretch HAVING sum(p.minutes) >= shortest
    )
    SELECT f.begins, e.ends, f.minutes, f.instruments, u.unpublished, f.quiet_share, k.reasons, k.sources
    FROM found f
    CROSS JOIN LATERAL (SELECT f.begins + f.minutes * interval '1 minute' AS ends) AS e
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT l.instrument_id)::integer AS unpublished
        FROM store.collected_lifetime l
        CROSS JOIN generate_series(greatest(l.first_day, f.first_day) - f.first_day, least(l.past_day - 1, f.last_day) - f.first_day) AS later
        CROSS JOIN LATERAL (
            SELECT greatest(f.begins, l.begins, (f.first_day + later)::timestamp AT TIME ZONE 'UTC') AS begins,
                   least(e.ends, l.ends, (f.first_day + later + 1)::timestamp AT TIME ZONE 'UTC') AS ends) AS part
        WHERE l.perpetual AND l.begins < e.ends AND l.ends > f.begins
          AND NOT EXISTS (SELECT FROM store.candle_day c
                          WHERE c.day = f.first_day + later AND c.instrument_id = l.instrument_id AND c.state = 'published')
          AND (SELECT count(*) FROM store.open_candle o
               WHERE o.instrument_id = l.instrument_id AND o.ts >= part.begins AND o.ts < part.ends AND o.state = 'published')
              < extract(epoch FROM part.ends - part.begins) / 60) AS u
    CROSS JOIN LATERAL (
        SELECT string_agg(o.reason, ' ' ORDER BY o.begins) AS reasons, string_agg(DISTINCT o.source, '; ') AS sources
        FROM store.known_outage o WHERE o.begins < e.ends AND o.ends > f.begins) AS k
    WHERE CASE WHEN f.quiet_share > 0 THEN f.minutes * ln(f.quiet_share) < ln(0.01 / 1440) ELSE true END
    ORDER BY f.begins
$$;

-- Those of five minutes and more: an exchange that restarts needs minutes, and the shortest outages that it told of took less
-- than ten.
CREATE VIEW exchange_outages AS
    SELECT begins, ends, minutes, instruments, unpublished, quiet_share, known, source FROM store.outages(5);

-- Both sides, found and known, each known outage once: what was going on in the minutes that lie in it as a whole; and what was found
-- that overlaps none of them. A known one in which something traded all the while is so listed as well as one of which nothing is
-- published.
CREATE VIEW outages_compared AS
    WITH found AS MATERIALIZED (SELECT * FROM exchange_outages)
    SELECT k.begins, k.ends, EXISTS (SELECT FROM found f WHERE f.begins < k.ends AND f.ends > k.begins) AS is_found, true AS is_known,
           m.minutes, m.quiet_minutes, m.traded_minutes, m.minutes - m.quiet_minutes - m.traded_minutes AS unknown_minutes,
           k.reason AS known, k.source
    FROM store.known_outage k
    CROSS JOIN LATERAL (SELECT date_bin('1 minute', k.begins + interval '59.999999 seconds', '2000-01-01 00:00+00') AS first,
                               date_bin('1 minute', k.ends, '2000-01-01 00:00+00') AS past) AS w
    CROSS JOIN LATERAL (
        SELECT greatest(extract(epoch FROM w.past - w.first) / 60, 0)::integer AS minutes,
               coalesce(sum(bit_count(b.inside & coalesce(d.asked, 0::bit(1440)) & ~ d.traded)), 0)::integer AS quiet_minutes,
               coalesce(sum(bit_count(b.inside & d.traded)), 0)::integer AS traded_minutes
        FROM store.traded_days((w.first AT TIME ZONE 'UTC')::date, (w.past AT TIME ZONE 'UTC')::date) AS d
        CROSS JOIN LATERAL store.clip_minutes(d.day, 0, 1440, w.first, w.past) AS c
        CROSS JOIN LATERAL (SELECT CASE WHEN c.past > c.first THEN (~ B'0'::bit(1440)) << (1440 - (c.past - c.first)) >> c.first
                                        ELSE 0::bit(1440) END AS inside) AS b) AS m
    UNION ALL
    SELECT f.begins, f.ends, true, false, f.minutes, f.minutes, 0, 0, NULL, NULL
    FROM found f
    WHERE NOT EXISTS (SELECT FROM store.known_outage k WHERE k.begins < f.ends AND k.ends > f.begins);
