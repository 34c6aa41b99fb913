-- Whether every dated future that has a perpetual has a published basis at every minute it lived beside it, to the end of the last
-- closed month, by a catalogue that was read in full since then. Minutes whose candles are missing with a reason (store.future_day)
-- are left out: there is no price of which there could be a basis. What lies before the history that is collected is missing, too.
-- Grain: the criterion: passed, expected and found in a unit, observed. Reads only.
WITH uncollected AS (
    SELECT count(DISTINCT f.label) AS instruments, min(c.since)::date AS since
    FROM store.future f JOIN store.collected c ON c.currency = f.settlement_currency
    WHERE greatest(f.listed_at, f.perpetual_begins) < c.since AND f.ends > f.perpetual_begins
), part AS (
    SELECT f.day, e.minutes AS expected, least(coalesce(b.minutes, 0), e.minutes) AS published, f.explained
    FROM store.basis_lifetime l JOIN store.future_day f USING (instrument_id)
    CROSS JOIN LATERAL (
        SELECT (extract(epoch FROM least(f.ends, l.counts_to) - greatest(f.begins, l.counts_from)) / 60)::bigint AS minutes) AS e
    LEFT JOIN store.basis_day b ON b.instrument_id = l.instrument_id AND b.day = f.day AND b.state = 'published'
    WHERE e.minutes > 0
), counted AS (
    SELECT p.day, sum(p.expected - x.minutes) AS expected, sum(p.published) AS published, sum(x.minutes) AS left_out
    FROM part p CROSS JOIN LATERAL (SELECT least(p.explained, p.expected - p.published) AS minutes) AS x
    GROUP BY p.day
), total AS (
    SELECT coalesce(sum(expected), 0)::bigint AS expected, coalesce(sum(published), 0)::bigint AS published,
           sum(left_out) AS left_out, count(*) AS days, count(*) FILTER (WHERE published = expected) AS complete,
           min(day) AS first_day, max(day) AS last_day, min(day) FILTER (WHERE published < expected) AS first_gap
    FROM counted
)
SELECT t.expected > 0 AND t.published = t.expected AND u.instruments = 0 AND store.catalogue_gap() IS NULL AS passed,
       'minutes' AS unit, t.expected, t.published AS found,
       concat_ws(', ', CASE WHEN t.days = 0 THEN 'nothing is expected yet'
                            ELSE format('%s of %s days complete, %s to %s', t.complete, t.days, t.first_day, t.last_day) END,
                 CASE WHEN t.left_out > 0
                      THEN format('%s minutes left out whose candles are missing with a reason', t.left_out) END,
                 (SELECT format('first gap %s: %s', c.day, c.why) FROM dataset_condition c
                  WHERE c.dataset = 'basis_spread' AND c.day = t.first_gap),
                 CASE WHEN u.instruments > 0 THEN format('collected from %s only: %s began earlier', u.since, u.instruments) END,
                 store.catalogue_gap()) AS observed
FROM total t CROSS JOIN uncollected u
