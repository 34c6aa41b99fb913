-- Keeps an incident that was over before it could be kept; its end is told like any other. Grain: an incident. May run twice:
-- one that is there stays as it is. Parameters: the fingerprint, level, words, dag_id, run_id; opened_at, resolved_at (when it
-- was seen last), times (how often it was seen); told_at (when somebody was told of it last, NULL: nobody was).
INSERT INTO store.incident (kind, dataset, rule, instruments, level, words, dag_id, run_id, stands, opened_at, seen_at, grown_at,
                            times, resolved_at, told_at)
SELECT %(kind)s, %(dataset)s, %(rule)s, %(instruments)s, %(level)s, %(words)s, %(dag_id)s, %(run_id)s, '{}', %(opened_at)s,
       %(resolved_at)s, %(opened_at)s, %(times)s, %(resolved_at)s, %(told_at)s::timestamptz
WHERE NOT EXISTS (SELECT FROM store.incident WHERE kind = %(kind)s AND dataset = %(dataset)s AND rule = %(rule)s
                  AND instruments = %(instruments)s AND opened_at = %(opened_at)s)
