"""Validates profiles with Great Expectations: suites say what is good, the gate decides, the docs show it.

Importing this package is light: Great Expectations (seconds, 220 MB) is imported by the functions that need it.
Speaks neither HTTP nor SQL.
"""
