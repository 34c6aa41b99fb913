-- Says for how long a statement may wait for a lock, to the end of the transaction, and how long it could before. Grain: the
-- transaction. May run twice. Parameters: value (as the setting lock_timeout: '1s').
SELECT s.before, set_config('lock_timeout', %(value)s, true) FROM (SELECT current_setting('lock_timeout') AS before OFFSET 0) AS s
