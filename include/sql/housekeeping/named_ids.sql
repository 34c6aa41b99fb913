-- The loads or validations that a column names. A part of a statement. Grain: row of the table. Reads only.
SELECT {column} FROM {table} WHERE {column} IS NOT NULL
