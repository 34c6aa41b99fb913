-- The loads or validations that a column of arrays names. A part of a statement. Grain: element of an array. Reads only.
SELECT unnest({column}) FROM {table}
