-- What a roll has to be, the newest version of each. Grain: contract rolled to, series. Reads only. Parameters: from, to: of the
-- day of the roll.
--   follows         the contract it rolls from is the one that the stored roll before it rolls to; of the first, from none
--   days_later      from the expiry of the contract it leaves to that of the one it takes
--   held_in_time    the contract it takes may be held on that day: listed before, and not yet too close to its expiry
--   unfounded       rank 0 left a contract that could still be held, and was not told to by a larger turnover
--   unpriced        there is no minute of the day before that is fresh in both legs; lead_unpriced: of a first contract that trades
--   price_minutes   from the minute the prices are of to the roll
--   price_distance  how far both prices are apart, as a fraction of the smaller one
WITH newest AS MATERIALIZED (
    SELECT DISTINCT ON (r.instrument_id, r.rule, r.eligible, r.rank) r.*
    FROM store.roll r ORDER BY r.instrument_id, r.rule, r.eligible, r.rank, r.version_id DESC
), stored AS MATERIALIZED (
    SELECT r.*, c.label, c.expires_at, c.first_day, c.past_day, lag(r.instrument_id) OVER w AS before_id
    FROM newest r JOIN store.roll_contract c USING (instrument_id, rule, eligible)
    WHERE r.state <> 'withdrawn'
    WINDOW w AS (PARTITION BY c.family, r.rule, r.eligible, r.rank, r.skipped ORDER BY r.day, c.expires_at)
)
SELECT s.label AS instrument, s.rule, s.eligible, s.rank, s.day, s.instrument_id, s.version_id,
       s.skipped OR s.from_instrument_id IS NOT DISTINCT FROM s.before_id AS follows,
       extract(epoch FROM s.expires_at - f.expires_at)::float8 / 86400 AS days_later,
       s.skipped OR s.day >= s.first_day AND s.day < s.past_day AS held_in_time,
       NOT s.skipped AND s.rank = 0 AND coalesce(s.day < f.past_day, false)
           AND NOT coalesce(s.rule = 'volume' AND s.to_turnover > s.from_turnover, false) AS unfounded,
       (s.from_instrument_id IS NOT NULL AND s.price_at IS NULL)::integer AS unpriced,
       (s.rank = 0 AND s.eligible <> 'all' AND s.from_instrument_id IS NOT NULL AND s.price_at IS NULL)::integer AS lead_unpriced,
       extract(epoch FROM s.day::timestamp AT TIME ZONE 'UTC' - s.price_at)::float8 / 60 AS price_minutes,
       store.symmetric_distance(s.from_close, s.to_close) AS price_distance,
       1 AS rows_expected, (s.from_instrument_id IS NOT NULL AND s.price_at IS NULL)::integer AS rows_missing
FROM stored s
LEFT JOIN store.roll_contract f ON f.instrument_id = s.from_instrument_id AND f.rule = s.rule AND f.eligible = s.eligible
WHERE s.day >= (%(from)s::timestamptz AT TIME ZONE 'UTC')::date AND s.day < (%(to)s::timestamptz AT TIME ZONE 'UTC')::date
ORDER BY s.label, s.rule, s.eligible, s.rank
