"""`python -m bench`: each path measured beside its yardstick, in the same run, on the same rows."""
