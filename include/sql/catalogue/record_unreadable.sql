-- Replaces what could not be read of an earlier answer by what can't be read of the newest one. Grain: currency, kind,
-- host, expired, subject. May run twice: a row that is unreadable again keeps the time it was first seen.
-- Parameters: subjects, causes (text[], pairwise).
WITH told AS (
    SELECT DISTINCT ON (subject) subject, cause
    FROM unnest(%(subjects)s::text[], %(causes)s::text[]) AS u(subject, cause) ORDER BY subject
), mended AS (
    DELETE FROM store.unreadable_instrument
    WHERE currency = %(currency)s AND kind = %(kind)s AND host = %(host)s AND expired = %(expired)s
      AND subject NOT IN (SELECT subject FROM told)
)
INSERT INTO store.unreadable_instrument (currency, kind, host, expired, subject, cause)
SELECT %(currency)s, %(kind)s, %(host)s, %(expired)s, subject, cause FROM told
ON CONFLICT (currency, kind, host, expired, subject) DO UPDATE SET cause = excluded.cause
