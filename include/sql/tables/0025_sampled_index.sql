-- Where the chart has no minute, the index of a closed day has what the summaries said of it: which of its minutes come from there, so
-- that each still says its source. NULL: none of them.
ALTER TABLE store.index_day ADD COLUMN sampled bit(1440);
