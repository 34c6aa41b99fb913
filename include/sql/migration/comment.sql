-- Says in the database what a view, a function or a column is. Grain: one of them. May run twice.
COMMENT ON {what} {name} IS {text}
