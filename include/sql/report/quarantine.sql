-- What rules have to say now that no later validation has taken back, by rule. Grain: dataset, rule, severity, the reason of a
-- waiver. Reads only.
SELECT dataset, rule, severity, waived_reason, count(*) AS keys, count(DISTINCT instrument) AS instruments,
       min(day) AS first_day, max(day) AS last_day
FROM quality_findings WHERE is_open AND (severity = 'critical' OR waived_reason IS NOT NULL)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
