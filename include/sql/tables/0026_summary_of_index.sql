-- Which summaries the index of a day was computed with: one that is published later has the day computed again where it lacks a minute.
-- It is the newest validation that had published one of the day. NULL: none had, or this was not kept yet.
ALTER TABLE store.index_day ADD COLUMN summary_validation_id bigint;

-- What is asked of the summaries for that is in the index, so that their rows are not read.
DROP INDEX store.instrument_summary_published;

CREATE UNIQUE INDEX instrument_summary_published ON store.instrument_summary (currency, beat) INCLUDE (validation_id) WHERE state = 'published';
