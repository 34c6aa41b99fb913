-- Stored days of every dataset that have to be validated, put together from each dataset's pending.sql.
CREATE VIEW store.pending AS
{datasets/*/pending};

-- What waits to be validated, for what, and since when no longer by itself. waits_for: what has to be loaded first, such as
-- 'perpetuals_ohlcv of BTC-PERPETUAL'; NULL: nothing, the dataset's next run validates it; where a validation has blocked
-- it (blocked_by), a run by hand does.
CREATE VIEW pending AS
    SELECT dataset, instrument, date_trunc('month', day::timestamp)::date AS month, waits_for, blocked_by,
           count(*) AS days, min(day) AS first_day, max(day) AS last_day
    FROM store.pending GROUP BY dataset, instrument, month, waits_for, blocked_by;
