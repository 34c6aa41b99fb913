-- Rows came after all: the life is open again. Grain: an instrument. May run twice.
DELETE FROM store.delisting WHERE instrument_id = %(instrument_id)s
