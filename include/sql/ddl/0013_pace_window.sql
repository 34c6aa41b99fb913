-- The request limiter by window: the newest moments given away, oldest first. Nothing is lost when they are; a start
-- without them may hold one window's requests too many, once.
ALTER TABLE store.pace
    DROP COLUMN next_at,
    ADD COLUMN moments timestamptz[] NOT NULL DEFAULT '{}';
