-- A reserved slot that is lost in a crash costs nothing, so nobody waits for the disk. Grain: the session. May run
-- twice.
SET synchronous_commit = off
