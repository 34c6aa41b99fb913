-- How much of every dataset's days is published, held back, waiting or missing, and what is said of that: put together from the
-- parts of every dataset (its files expected.sql, provenance.sql and pending.sql) and what validations found. Grain: dataset,
-- day; the days are those of which something is expected, so those of closed months (snapshots: until now). Everything is
-- laid one under the other and then grouped, nothing is joined before: so a condition on dataset and day, a range too,
-- reaches each part, where a join would hand on only what is equal.
--   expected, published, held, pending, missing  minutes (hours, days, snapshots: each "seconds" long); missing is what the others
--               leave of expected. Of an instrument no more is counted than is expected of it.
--   taken_back  instruments whose newest version was computed from something that was taken back, and is not published
--   unstored    instruments of which something is expected that day, and there is no version at all
--   uncertain   instruments of which a newer version is held back while an older one stays published; renewed: of which one waits
CREATE VIEW store.day_condition AS
    WITH expected AS (
{datasets/*/expected}
    ), version AS (
        -- of each key what is published, its newest version, and the newest of those that are not decided on or were taken
        -- away, {version_id, present, what became of it}: arrays are made of these few alone
        SELECT p.dataset, p.instrument, p.day, coalesce(max(p.present) FILTER (WHERE p.state = 'published'), 0) AS published,
               max(p.version_id) AS version_id,
               max(ARRAY[p.version_id, p.present, CASE p.state WHEN 'pending' THEN 1 WHEN 'held' THEN 2 ELSE 3 END])
                   FILTER (WHERE p.state IN ('pending', 'held', 'withdrawn')) AS other,
               max(p.validation_id) AS validation_id
        FROM (
{datasets/*/provenance}
        ) AS p GROUP BY p.dataset, p.instrument, p.day, p.ts
    ), part AS (
        SELECT e.dataset, e.instrument, f.first_day + n AS day, e.seconds,
               -- how many begin before the day ends, without those that begin before it begins
               ceil((least(f.ends, f.midnight + 86400.0 * (n + 1)) - f.begins) / e.seconds)::bigint
                   - ceil(greatest(f.midnight + 86400.0 * n - f.begins, 0) / e.seconds)::bigint AS expected,
               0::bigint AS published, 0::bigint AS pending, 0::bigint AS held, false AS taken_back, false AS uncertain, false AS renewed,
               NULL::bigint AS version_id, NULL::bigint AS validation_id
        FROM expected e
        CROSS JOIN LATERAL (SELECT (e.begins AT TIME ZONE 'UTC')::date AS first_day, extract(epoch FROM e.begins)::float8 AS begins,
                                   extract(epoch FROM e.ends)::float8 AS ends,
                                   extract(epoch FROM date_trunc('day', e.begins, 'UTC'))::float8 AS midnight) AS f
        CROSS JOIN LATERAL generate_series(0, ceil((f.ends - f.midnight) / 86400)::integer - 1) AS n
        WHERE e.begins < e.ends
        UNION ALL
        SELECT v.dataset, v.instrument, v.day, NULL, 0, v.published, CASE n.became WHEN 1 THEN n.more ELSE 0 END,
               CASE n.became WHEN 2 THEN n.more ELSE 0 END, n.became = 3 AND v.published = 0, n.became = 2 AND v.published > 0,
               n.became = 1 AND v.published > 0, v.version_id, v.validation_id
        FROM version v
        CROSS JOIN LATERAL (SELECT CASE WHEN v.other[1] = v.version_id THEN v.other[3] END AS became,
                                   greatest(v.other[2] - v.published, 0) AS more) AS n
    ), instrument_day AS (
        SELECT dataset, instrument, day, min(seconds) AS shortest, max(seconds) AS longest, sum(expected)::bigint AS expected,
               sum(published)::bigint AS published, sum(pending)::bigint AS pending, sum(held)::bigint AS held,
               bool_or(taken_back) AS taken_back, bool_or(uncertain) AS uncertain, bool_or(renewed) AS renewed,
               max(version_id) AS version_id, max(validation_id) AS validation_id
        FROM part GROUP BY dataset, instrument, day
    ), counted AS (
        SELECT d.dataset, d.day, min(d.shortest) AS shortest, max(d.longest) AS longest, sum(d.expected) AS expected,
               sum(n.published) AS published, sum(h.held) AS held, sum(least(d.pending, d.expected - n.published - h.held)) AS pending,
               count(*) FILTER (WHERE d.taken_back) AS taken_back, count(*) FILTER (WHERE d.version_id IS NULL) AS unstored,
               count(*) FILTER (WHERE d.uncertain) AS uncertain, count(*) FILTER (WHERE d.renewed) AS renewed,
               max(d.version_id) AS version_id, max(d.validation_id) AS validation_id,
               NULL::text AS broken, NULL::text AS waived, NULL::text AS noted, NULL::text AS awaited
        FROM instrument_day d
        CROSS JOIN LATERAL (SELECT least(d.published, d.expected) AS published) AS n
        CROSS JOIN LATERAL (SELECT least(d.held, d.expected - n.published) AS held) AS h
        WHERE d.expected > 0 GROUP BY d.dataset, d.day
        UNION ALL
        SELECT q.dataset, q.day, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, NULL, q.validation_id,
               CASE WHEN q.severity = 'critical' AND q.waived_reason IS NULL THEN q.rule END,
               CASE WHEN q.waived_reason IS NOT NULL THEN format('%s (%s)', q.rule, q.waived_reason) END,
               CASE WHEN q.severity <> 'critical' AND q.waived_reason IS NULL THEN q.rule END, NULL
        FROM store.quarantine q WHERE q.closed_by IS NULL
        UNION ALL
        SELECT w.dataset, w.day, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL,
               CASE WHEN w.blocked_by IS NOT NULL THEN format('a run by hand: validation %s blocked it', w.blocked_by)
                    ELSE coalesce(w.waits_for, 'the next run') END
        FROM store.pending w
    )
    SELECT dataset, day, CASE WHEN min(shortest) = max(longest) THEN max(longest) END AS seconds,
           sum(expected)::bigint AS expected, sum(published)::bigint AS published, sum(held)::bigint AS held, sum(pending)::bigint AS pending,
           sum(expected - published - held - pending)::bigint AS missing,
           sum(taken_back)::integer AS taken_back, sum(unstored)::integer AS unstored, sum(uncertain)::integer AS uncertain, sum(renewed)::integer AS renewed,
           array_agg(DISTINCT broken) FILTER (WHERE broken IS NOT NULL) AS broken,
           array_agg(DISTINCT waived) FILTER (WHERE waived IS NOT NULL) AS waived,
           array_agg(DISTINCT noted) FILTER (WHERE noted IS NOT NULL) AS noted,
           array_agg(DISTINCT awaited) FILTER (WHERE awaited IS NOT NULL) AS awaited,
           max(version_id) AS version_id, max(validation_id) AS validation_id
    FROM counted GROUP BY dataset, day HAVING sum(expected) > 0;

-- Whether a day of a dataset can be used, and why not: see the data dictionary.
--   reason  why without its numbers: days of one condition and reason are one stretch (report/stretches.sql)
CREATE VIEW store.dataset_condition AS
    SELECT c.dataset, c.day,
           CASE WHEN c.published = 0 AND c.pending > 0 THEN 'pending'
                WHEN c.published = 0 AND c.held = 0 THEN 'missing'
                WHEN c.published < c.expected OR c.held > 0 OR c.uncertain > 0 OR c.broken IS NOT NULL THEN 'degraded'
                ELSE 'available' END AS condition,
           c.expected, c.published, c.held, c.pending, c.missing,
           nullif(concat_ws('; ',
               CASE WHEN c.missing > 0 THEN format('%s of %s %s missing', n.missing, n.expected, n.unit) END,
               CASE WHEN c.missing > 0 AND c.unstored > 0 THEN format('nothing stored of %s', c.unstored) END,
               CASE WHEN c.held > 0 THEN format('%s %s held back', n.held, n.unit) END,
               CASE WHEN c.pending > 0 THEN format('%s %s pending', n.pending, n.unit) END,
               CASE WHEN c.uncertain > 0 THEN format('a newer version of %s held back', c.uncertain) END,
               CASE WHEN c.renewed > 0 THEN format('a newer version of %s pending', c.renewed) END, r.said), '') AS why,
           nullif(concat_ws('; ', CASE WHEN c.missing > 0 THEN 'missing' END, CASE WHEN c.missing > 0 AND c.unstored > 0 THEN 'nothing stored' END,
                            CASE WHEN c.held > 0 THEN 'held back' END, CASE WHEN c.pending > 0 THEN 'pending' END,
                            CASE WHEN c.uncertain > 0 THEN 'a newer version held back' END,
                            CASE WHEN c.renewed > 0 THEN 'a newer version pending' END, r.said), '') AS reason,
           greatest(l.loaded_at, v.validated_at) AS last_modified
    FROM store.day_condition c
    LEFT JOIN store.ingestion l ON l.version_id = c.version_id
    LEFT JOIN store.validation v ON v.validation_id = c.validation_id
    CROSS JOIN LATERAL (
        SELECT to_char(c.expected, 'FM999,999,999,990') AS expected, to_char(c.missing, 'FM999,999,999,990') AS missing,
               to_char(c.held, 'FM999,999,999,990') AS held, to_char(c.pending, 'FM999,999,999,990') AS pending,
               CASE c.seconds WHEN 60 THEN 'minutes' WHEN 3600 THEN 'hours' WHEN 86400 THEN 'days'
                    ELSE coalesce(format('times every %s s', c.seconds), 'times') END AS unit) AS n
    CROSS JOIN LATERAL (
        SELECT nullif(concat_ws('; ', CASE WHEN c.taken_back > 0 THEN 'what it was computed from was taken back' END,
                                'rules broken: ' || store.named(c.broken, ', '), 'waived: ' || store.named(c.waived, ', '),
                                CASE WHEN c.missing > 0 THEN 'warned of: ' || store.named(c.noted, ', ') END,
                                CASE WHEN c.pending > 0 OR c.renewed > 0 THEN 'waits for ' || store.named(c.awaited, ', ') END), '') AS said) AS r;

CREATE VIEW dataset_condition AS
    SELECT dataset, day, condition, expected, published, held, pending, missing, why, last_modified FROM store.dataset_condition;
