-- An attempt waits no more; rows that nobody came back for go with it after a month. Grain: an attempt. May run twice:
-- there is nothing left to forget.
DELETE FROM store.waiting WHERE attempt = %(attempt)s OR next_at < now() - interval '30 days'
