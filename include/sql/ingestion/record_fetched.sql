-- Says that the exchange has answered for a whole window [begins, ends). Grain: instrument, question. May run twice: a
-- window that is known writes nothing. Parameters: instrument_id, what, begins, ends.
INSERT INTO store.fetched AS a (instrument_id, what, windows)
SELECT %(instrument_id)s, %(what)s, tstzmultirange(tstzrange(%(begins)s, %(ends)s)) WHERE %(begins)s < %(ends)s
ON CONFLICT (instrument_id, what) DO UPDATE SET windows = a.windows + excluded.windows WHERE NOT a.windows @> excluded.windows
