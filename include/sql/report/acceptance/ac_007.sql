-- Whether of every dated future of the collected currencies every minute it lived is published, or missing with a reason, from
-- 2019-01-01 (or its listing) to the end of the last closed month: from wherever history is collected, and by a catalogue that was
-- read in full since then. What a reason is says store.future_day; one of a day excuses nothing of another day. Contracts without a
-- candle are named. Grain: the criterion: passed, expected and found in a unit, observed. Reads only.
WITH contract AS (
    SELECT label, min(begins) AS begins, sum(expected)::bigint AS expected, sum(published)::bigint AS found,
           sum(explained)::bigint AS explained, bool_or(is_silent) AS is_silent
    FROM store.future_day WHERE day >= '2019-01-01' GROUP BY instrument_id, label
), lacking AS (
    SELECT label, expected - found - explained AS minutes, row_number() OVER (ORDER BY begins, label) AS place
    FROM contract WHERE found + explained < expected
), silent AS (
    SELECT label, row_number() OVER (ORDER BY begins, label) AS place
    FROM contract WHERE is_silent AND found + explained = expected
)
SELECT coalesce(sum(found) > 0, false) AND NOT EXISTS (SELECT FROM lacking) AND store.catalogue_gap() IS NULL AS passed,
       'contracts' AS unit, count(*) AS expected, count(*) FILTER (WHERE found + explained = expected) AS found,
       concat_ws(', ', CASE WHEN count(*) = 0 THEN 'nothing is expected yet'
                            ELSE format('%s of %s minutes since %s', sum(found), sum(expected),
                                        (min(begins) AT TIME ZONE 'UTC')::date) END,
                 CASE WHEN sum(explained) > 0 THEN format('%s are missing with a reason', sum(explained)) END,
                 (SELECT format('the exchange has no candle of %s contracts: %s', count(*),
                                store.named(array_agg(label ORDER BY place), ', ')) FROM silent HAVING count(*) > 0),
                 (SELECT format('%s are missing without a reason, of %s contracts: %s', sum(minutes), count(*),
                                store.named(array_agg(label ORDER BY place), ', ')) FROM lacking HAVING count(*) > 0),
                 store.catalogue_gap()) AS observed
FROM contract
