-- When a waiting attempt will ask again. Grain: an attempt and what it waits for. May run twice: the last word counts.
UPDATE store.waiting SET next_at = %(next_at)s WHERE attempt = %(attempt)s AND awaited = %(awaited)s
