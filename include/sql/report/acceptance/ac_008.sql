-- Whether every dated future that has a perpetual has a published basis at every minute it lived beside it, to the end
-- of the last closed month. What lies before the history that is collected is missing, too. Grain: the criterion:
-- passed, expected and found in a unit, observed. Reads only.
WITH uncollected AS (
    SELECT count(DISTINCT f.label) AS instruments, min(c.since)::date AS since
    FROM store.future f JOIN store.collected c ON c.currency = f.settlement_currency
    WHERE greatest(f.listed_at, f.perpetual_begins) < c.since AND f.ends > f.perpetual_begins
), day AS (
    SELECT coalesce(sum(expected), 0)::bigint AS expected, coalesce(sum(published), 0)::bigint AS published, count(*) AS days,
           count(*) FILTER (WHERE published = expected) AS complete, min(day) AS first_day, max(day) AS last_day,
           (array_agg(format('%s: %s', day, why) ORDER BY day) FILTER (WHERE published < expected))[1] AS first_gap
    FROM dataset_condition WHERE dataset = 'basis_spread'
)
SELECT d.expected > 0 AND d.published = d.expected AND u.instruments = 0 AS passed, 'minutes' AS unit, d.expected, d.published AS found,
       CASE WHEN d.days = 0 THEN 'nothing is expected yet'
            ELSE concat_ws(', ', format('%s of %s days complete, %s to %s', d.complete, d.days, d.first_day, d.last_day),
                           'first gap ' || d.first_gap,
                           CASE WHEN u.instruments > 0 THEN format('collected from %s only: %s began earlier', u.since, u.instruments) END) END AS observed
FROM day d CROSS JOIN uncollected u
