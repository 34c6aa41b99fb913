-- Whether the funding of every perpetual is published at every hour from its first one on, to the end of the last closed month, by
-- a catalogue that was read in full since then. No reason excuses an hour, for a sum over it lacks it. What lies before the history
-- that is collected is missing, too. Grain: the criterion: passed, expected and found (hours), observed. Reads only.
WITH uncollected AS (
    SELECT count(DISTINCT f.label) AS instruments, min(c.since)::date AS since
    FROM store.lifetime f JOIN store.collected c ON c.currency = f.settlement_currency
    LEFT JOIN store.funding_start s USING (instrument_id)
    WHERE f.perpetual AND coalesce(s.first_hour - interval '1 hour', date_trunc('hour', f.begins, 'UTC')) < c.since
), day AS (
    SELECT coalesce(sum(expected), 0)::bigint AS expected, coalesce(sum(published), 0)::bigint AS published, count(*) AS days,
           count(*) FILTER (WHERE published = expected) AS complete, min(day) AS first_day, max(day) AS last_day,
           (array_agg(format('%s: %s', day, why) ORDER BY day) FILTER (WHERE published < expected))[1] AS first_gap
    FROM dataset_condition WHERE dataset = 'funding_rates'
)
SELECT d.expected > 0 AND d.published = d.expected AND u.instruments = 0 AND store.catalogue_gap() IS NULL AS passed,
       'hours' AS unit, d.expected, d.published AS found,
       concat_ws(', ', CASE WHEN d.days = 0 THEN 'nothing is expected yet'
                            ELSE format('%s of %s days complete, %s to %s', d.complete, d.days, d.first_day, d.last_day) END,
                 'first gap ' || d.first_gap,
                 CASE WHEN u.instruments > 0 THEN format('collected from %s only: %s began earlier', u.since, u.instruments) END,
                 store.catalogue_gap()) AS observed
FROM day d CROSS JOIN uncollected u
