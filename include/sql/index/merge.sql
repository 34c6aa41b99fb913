-- Adds the minutes of a funding chart to the days they lie in; a known minute stays unless the chart has it again. Grain: index, day.
-- May run twice: equal minutes write nothing.
-- Parameters: index_name, days (date[]), elements (integer[], 1..1440), prices (float8[]), pairwise; dataset, host, run_id.
WITH told AS (
    SELECT k.day, array_agg(p.price ORDER BY e.i) AS price
    FROM (SELECT DISTINCT day FROM unnest(%(days)s::date[]) AS d(day)) AS k
    CROSS JOIN generate_series(1, 1440) AS e(i)
    LEFT JOIN unnest(%(days)s::date[], %(elements)s::integer[], %(prices)s::float8[]) AS p(day, i, price)
           ON p.day = k.day AND p.i = e.i
    GROUP BY k.day
), merged AS (
    SELECT t.day, o.price AS known, m.price,
           CASE WHEN o.day IS NULL THEN 'added' WHEN m.corrected THEN 'corrected' ELSE 'grown' END AS outcome
    FROM told t LEFT JOIN store.index_chart_day o ON o.index_name = %(index_name)s AND o.day = t.day
    CROSS JOIN LATERAL (SELECT array_agg(coalesce(u.told, u.known) ORDER BY u.i) AS price, bool_or(u.told <> u.known) AS corrected
                        FROM unnest(t.price, o.price) WITH ORDINALITY AS u(told, known, i)) AS m
), changed AS (
    SELECT * FROM merged WHERE price IS DISTINCT FROM known
), counted AS (
    SELECT count(*) FILTER (WHERE outcome = 'added') AS added, count(*) FILTER (WHERE outcome = 'grown') AS grown,
           count(*) FILTER (WHERE outcome = 'corrected') AS corrected
    FROM changed
), loaded AS (
    INSERT INTO store.ingestion (dataset, subject, host, run_id, added, grown, corrected)
    SELECT %(dataset)s, %(index_name)s, %(host)s, %(run_id)s, added, grown, corrected
    FROM counted WHERE added + grown + corrected > 0
    RETURNING version_id
), written AS (
    INSERT INTO store.index_chart_day AS t (index_name, day, version_id, price)
    SELECT %(index_name)s, day, version_id, price FROM changed CROSS JOIN loaded ORDER BY day
    ON CONFLICT (index_name, day) DO UPDATE SET version_id = excluded.version_id, price = excluded.price
)
SELECT added, grown, corrected, 0 AS kept, (SELECT count(*) FROM merged) - added - grown - corrected AS unchanged FROM counted
