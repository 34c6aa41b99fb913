-- The exchange's outages that are known, as the reviewed file expectations/known_outages.json had them when the views were made.
CREATE VIEW store.known_outage AS
    SELECT o."from" AS begins, o."to" AS ends, o.reason, o.source
    FROM jsonb_to_recordset({known_outages}::jsonb) AS o("from" timestamptz, "to" timestamptz, reason text, source text);

-- The longest stretches of time, in whole minutes, in which nothing traded that is collected: no dated future and no perpetual.
-- A day of which no perpetual is published is unknown, and so is what lies outside the perpetuals' lifetimes: no outage is in it,
-- nor goes through it.
--   shortest     minutes. Shorter ones are not looked for
--   instruments  of which those days are published: they were asked (of several days the least)
--   unpublished  perpetuals that lived on those days and are not published there: they may have traded
--   quiet_share  of the other minutes of those days, how many were without a trade, a fraction. In the first years single minutes
--                often were: a stretch is left out that comes by chance, were each minute quiet by itself, on more than one
--                day in a hundred
-- Days are bits, put together by instrument. Only days in which a stretch can lie, or that begin or end in one, become minutes.
CREATE FUNCTION store.outages(shortest integer)
RETURNS TABLE (begins timestamptz, ends timestamptz, minutes integer, instruments integer, unpublished integer, quiet_share float8,
               known text, source text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH asked AS (
        SELECT c.day, count(*)::integer AS instruments, bit_or(c.traded) AS traded,
               bit_or((~ B'0'::bit(1440)) << (1440 - c.n) >> c.first_minute) FILTER (WHERE i.settlement_period = 'perpetual') AS asked
        FROM store.candle_day c JOIN store.instrument i USING (instrument_id)
        WHERE c.state = 'published' GROUP BY c.day
    ), quiet AS MATERIALIZED (
        SELECT day, instruments, asked & ~ traded AS quiet, bit_count(asked) AS minutes, bit_count(asked & ~ traded) AS quiet_minutes
        FROM asked WHERE bit_count(asked & ~ traded) > 0
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
        WHERE l.perpetual AND l.begins < e.ends AND l.ends > f.begins
          AND NOT EXISTS (SELECT FROM store.candle_day c
                          WHERE c.day = f.first_day + later AND c.instrument_id = l.instrument_id AND c.state = 'published')) AS u
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
