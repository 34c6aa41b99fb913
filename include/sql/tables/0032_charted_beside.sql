-- What a minute of the chart was compared with when it was decided on, in step with the minutes (store.compared_with): the version of the
-- perpetual's minute, where that alone settled it, else a number made of that and of the validation that published the hour's index. When
-- it is another one the minute is decided on again. NULL: of rows that are older than this.
ALTER TABLE store.charted_index ADD COLUMN compared_with bigint[];
