-- Whether an index price is published for every minute of every index from its first perpetual on, to the end of the last closed
-- month, by a catalogue that was read in full since then. The minutes are counted by the sources of index_prices: of those of
-- perpetual_proxy the index itself is not known. What lies before the history that is collected is missing, too.
-- Grain: the criterion: passed, expected and found (minutes), observed. Reads only.
WITH uncollected AS (
    SELECT count(DISTINCT f.label) AS instruments, min(c.since)::date AS since
    FROM store.index_proxy x JOIN store.lifetime f ON f.instrument_id = x.perpetual_id
    JOIN store.collected c ON c.currency = f.settlement_currency
    WHERE greatest(f.begins, x.from_day::timestamp AT TIME ZONE 'UTC') < c.since
), day AS (
    SELECT coalesce(sum(expected), 0)::bigint AS expected, coalesce(sum(published), 0)::bigint AS published, count(*) AS days,
           count(*) FILTER (WHERE published = expected) AS complete, min(day) AS first_day, max(day) AS last_day,
           (array_agg(format('%s: %s', day, why) ORDER BY day) FILTER (WHERE published < expected))[1] AS first_gap
    FROM dataset_condition WHERE dataset = 'index_prices'
), source AS (
    SELECT s.source, sum(s.minutes) AS minutes
    FROM day d JOIN store.index_day_source s ON s.day BETWEEN d.first_day AND d.last_day
    WHERE s.index_name IN (SELECT index_name FROM store.index_proxy)
    GROUP BY s.source
)
SELECT d.expected > 0 AND d.published = d.expected AND u.instruments = 0 AND store.catalogue_gap() IS NULL AS passed,
       'minutes' AS unit, d.expected, d.published AS found,
       concat_ws(', ', CASE WHEN d.days = 0 THEN 'nothing is expected yet'
                            ELSE format('%s of %s days complete, %s to %s', d.complete, d.days, d.first_day, d.last_day) END,
                 (SELECT 'minutes by source: ' || string_agg(format('%s %s', source, minutes), ', ' ORDER BY source) FROM source),
                 'first gap ' || d.first_gap,
                 CASE WHEN u.instruments > 0 THEN format('collected from %s only: %s began earlier', u.since, u.instruments) END,
                 store.catalogue_gap()) AS observed
FROM day d CROSS JOIN uncollected u
