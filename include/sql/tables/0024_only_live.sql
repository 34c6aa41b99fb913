-- Minutes that live had published and the closed day lacks: whoever read them finds nothing in their place. NULL: of a day that was
-- counted before this was.
ALTER TABLE store.open_day ADD COLUMN only_live smallint;
