"""Speaks Postgres. Every function takes an open psycopg connection and leaves the commit to the caller, who
knows what belongs together; every statement is a file in include/sql."""
