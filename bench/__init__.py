"""`python -m bench`: each path measured beside its baseline, in the same run, on the same rows."""
