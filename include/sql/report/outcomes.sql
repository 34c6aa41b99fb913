-- How many intervals' newest outcome was what. Grain: dataset. Reads only.
SELECT dataset, string_agg(number || ' ' || outcome, ', ' ORDER BY outcome) AS validation
FROM (SELECT dataset, outcome, count(*) AS number
      FROM (SELECT DISTINCT ON (dataset, interval_from) dataset, outcome FROM store.validation
            ORDER BY dataset, interval_from, validation_id DESC) AS newest
      GROUP BY dataset, outcome) AS counted
GROUP BY dataset
