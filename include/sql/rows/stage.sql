-- The rows of one window before they meet what is stored: a temporary table of the session, emptied at each commit. Grain: a
-- key. May run twice: it is made once a connection.
CREATE TEMPORARY TABLE IF NOT EXISTS {stage} ({definition}) ON COMMIT DELETE ROWS
