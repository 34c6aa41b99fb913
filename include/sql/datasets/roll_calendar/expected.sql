-- What there should be of the rolls: a contract for every day from the first to the last on which a family has one to hold, at
-- rank 0 (whether there is a second and a third one is up to the exchange). Grain: family, rule, eligible. Reads only. Columns
-- as of the candles' expected.
SELECT 'roll_calendar' AS kind, 'roll_calendar' AS dataset, concat_ws(' ', c.family, c.rule, c.eligible) AS subject,
       concat_ws(' ', c.family, c.rule, c.eligible) AS instrument, NULL::text AS settlement_period,
       greatest(min(s.since), min(c.first_day)::timestamp AT TIME ZONE 'UTC') AS begins,
       least(max(c.past_day)::timestamp AT TIME ZONE 'UTC', date_trunc('month', now(), 'UTC')) AS ends, 86400 AS seconds,
       false AS loadable, NULL::text AS fetched_as
FROM store.roll_contract c JOIN store.collected s ON s.currency = c.settlement_currency
GROUP BY c.family, c.rule, c.eligible
