-- Until when it is published which contract a series (of rank 0) holds: to the last day of the one it rolled to at last, or where the
-- next one is listed later, to its first. Contracts of the last two years are enough for that. It is computed within minutes of the futures, and may take an hour more than they.
-- Grain: family, rule, eligible. Reads only. Columns as of the candles' fresh.
SELECT 'roll_calendar' AS dataset, concat_ws(' ', family, rule, eligible) AS instrument,
       greatest(min(since), min(first_day)::timestamp AT TIME ZONE 'UTC') AS begins, max(past_day)::timestamp AT TIME ZONE 'UTC' AS ends,
       min(first_seen_at) AS known_since, max(rolled)::timestamp AT TIME ZONE 'UTC' AS newest,
       CASE WHEN max(held_until) IS NOT NULL
            THEN greatest(max(held_until), min(first_day) FILTER (WHERE past_day > held_until))::timestamp AT TIME ZONE 'UTC' END AS until,
       (SELECT v.validated_at FROM store.validation v WHERE v.validation_id = max(s.validation_id) FILTER (WHERE s.past_day = s.held_until)) AS published_at,
       interval '1 month' AS cadence, interval '1 day 1 hour' AS warning_after, interval '3 days 1 hour' AS error_after
FROM (SELECT c.family, c.rule, c.eligible, c.first_day, c.past_day, k.since, i.first_seen_at, r.day AS rolled, r.validation_id,
             max(c.past_day) FILTER (WHERE r.day IS NOT NULL) OVER (PARTITION BY c.family, c.rule, c.eligible) AS held_until
      FROM store.roll_contract c
      JOIN store.collected k ON k.currency = c.settlement_currency
      JOIN store.instrument i USING (instrument_id)
      LEFT JOIN store.roll r ON r.instrument_id = c.instrument_id AND r.rule = c.rule AND r.eligible = c.eligible
                             AND r.rank = 0 AND r.state = 'published' AND NOT r.skipped
      WHERE c.expires_at > now() - interval '2 years') AS s
GROUP BY family, rule, eligible
