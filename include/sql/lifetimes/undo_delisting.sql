-- Rows came after all: the lifetime is open again. Grain: an instrument. May run twice.
DELETE FROM store.delisting WHERE instrument_id = %(instrument_id)s
