-- Whether every dated future of the collected currencies has something published on every day it lived, from 2019-01-01 (or its
-- listing) to the end of the last closed month, by the catalogue: from wherever history is collected. Grain: the criterion:
-- passed, expected and found in a unit, observed. Reads only.
WITH contract AS (
    SELECT instrument_id, label, greatest(first_day, date '2019-01-01') AS first_day,
           least(past_day, date_trunc('month', now(), 'UTC')::date) AS past_day
    FROM store.lifetime WHERE NOT perpetual AND settlement_currency IN (SELECT currency FROM store.collected)
), present AS (
    SELECT c.label, c.first_day, c.past_day - c.first_day AS expected, count(d.day) AS found
    FROM contract c LEFT JOIN store.candle_day d
      ON d.instrument_id = c.instrument_id AND d.day >= c.first_day AND d.day < c.past_day AND d.state = 'published' AND d.present > 0
    WHERE c.first_day < c.past_day
    GROUP BY c.instrument_id, c.label, c.first_day, c.past_day
), lacking AS (
    SELECT label, expected - found AS days, row_number() OVER (ORDER BY first_day, label) AS place FROM present WHERE found < expected
)
SELECT count(*) > 0 AND NOT EXISTS (SELECT FROM lacking) AS passed, 'contracts' AS unit, count(*) AS expected,
       count(*) FILTER (WHERE found = expected) AS found,
       CASE WHEN count(*) = 0 THEN 'nothing is expected yet'
            ELSE concat_ws(', ', format('%s of %s contract-days since %s', sum(found), sum(expected), min(first_day)),
                 (SELECT format('%s days are not published of %s contracts: %s', sum(days), count(*),
                                store.named(array_agg(label ORDER BY place), ', ')) FROM lacking HAVING count(*) > 0)) END AS observed
FROM present
