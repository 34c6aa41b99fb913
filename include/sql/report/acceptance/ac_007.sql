-- Whether of every dated future of the collected currencies every minute it lived is published, or missing with a reason, from
-- 2019-01-01 (or its listing) to the end of the last closed month, by the catalogue: from wherever history is collected. A reason is
-- that it was before the contract's first candle and the exchange answered so, or a waiver. Grain: the criterion: passed, expected and
-- found in a unit, observed. Reads only.
WITH contract AS (
    SELECT instrument_id, label, greatest(begins, '2019-01-01 00:00+00') AS begins,
           least(ends, date_trunc('month', now(), 'UTC')) AS ends
    FROM store.lifetime WHERE NOT perpetual AND settlement_currency IN (SELECT currency FROM store.collected)
), present AS (
    SELECT c.instrument_id, c.label, c.begins, c.ends, (extract(epoch FROM c.ends - c.begins) / 60)::bigint AS expected,
           coalesce(sum(d.present), 0)::bigint AS found
    FROM contract c LEFT JOIN store.candle_day d
      ON d.instrument_id = c.instrument_id AND d.day >= (c.begins AT TIME ZONE 'UTC')::date AND d.day < c.ends AT TIME ZONE 'UTC'
         AND d.state = 'published'
    WHERE c.begins < c.ends
    GROUP BY c.instrument_id, c.label, c.begins, c.ends
), explained AS (
    SELECT p.*, CASE WHEN p.found < p.expected THEN coalesce(late.minutes, 0) + coalesce(waived.minutes, 0) ELSE 0 END AS explained
    FROM present p
    LEFT JOIN LATERAL (
        SELECT (extract(epoch FROM f.first - p.begins) / 60)::bigint AS minutes
        FROM (SELECT d.day::timestamp AT TIME ZONE 'UTC'
                     + (d.first_minute - 1 + (SELECT min(u.i) FROM unnest(d.open) WITH ORDINALITY AS u(open, i) WHERE u.open IS NOT NULL))
                       * interval '1 minute' AS first
              FROM store.candle_day d WHERE d.instrument_id = p.instrument_id AND d.present > 0
              ORDER BY d.day, d.version_id DESC LIMIT 1) AS f
        JOIN store.fetched a ON a.instrument_id = p.instrument_id AND a.what = 'candles'
        WHERE p.found < p.expected AND f.first > p.begins AND a.windows @> tstzrange(p.begins, f.first)) AS late ON true
    LEFT JOIN LATERAL (
        SELECT sum((extract(epoch FROM least(p.ends, (d.day + 1)::timestamp AT TIME ZONE 'UTC')
                                       - greatest(p.begins, d.day::timestamp AT TIME ZONE 'UTC')) / 60)::bigint - d.present) AS minutes
        FROM store.candle_day d
        WHERE p.found < p.expected AND d.instrument_id = p.instrument_id AND d.state = 'published'
          AND EXISTS (SELECT FROM store.quarantine q
                      WHERE q.dataset = 'futures_ohlcv' AND q.subject = p.label AND q.day = d.day AND q.rule = 'minutes-complete'
                        AND q.waived_reason IS NOT NULL AND q.closed_by IS NULL)) AS waived ON true
), lacking AS (
    SELECT label, expected - found - explained AS minutes, row_number() OVER (ORDER BY begins, label) AS place
    FROM explained WHERE found + explained < expected
)
SELECT count(*) > 0 AND NOT EXISTS (SELECT FROM lacking) AS passed, 'contracts' AS unit, count(*) AS expected,
       count(*) FILTER (WHERE found + explained >= expected) AS found,
       CASE WHEN count(*) = 0 THEN 'nothing is expected yet'
            ELSE concat_ws(', ', format('%s of %s minutes since %s', sum(found), sum(expected), (min(begins) AT TIME ZONE 'UTC')::date),
                 CASE WHEN sum(explained) > 0 THEN format('%s are missing with a reason', sum(explained)) END,
                 (SELECT format('%s are missing without one, of %s contracts: %s', sum(minutes), count(*),
                                store.named(array_agg(label ORDER BY place), ', ')) FROM lacking HAVING count(*) > 0)) END AS observed
FROM explained
