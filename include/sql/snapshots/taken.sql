-- What there is of a subject's snapshot at a beat and was not held back: it stays, for it was taken nearer to its beat than any
-- later one. Grain: a key. Reads only. Parameters: subject, beat.
SELECT {key} FROM {table} WHERE currency = %(subject)s AND beat = %(beat)s AND state <> 'held'
