-- The basis of every future in the last published minute. Grain: future. Reads only.
WITH last_day AS (SELECT max(day) AS day FROM store.basis_day WHERE published)
SELECT s.coin, s.ts, s.instrument, s.expires_at, s.days_to_expiry, s.future_close, s.perpetual_close, s.basis, s.basis_fraction,
       s.annualised, s.structure, s.traded
FROM term_structure s
WHERE s.day = (SELECT day FROM last_day)
  AND s.ts = (SELECT max(ts) FROM term_structure WHERE day = (SELECT day FROM last_day))
ORDER BY s.coin, s.expires_at
