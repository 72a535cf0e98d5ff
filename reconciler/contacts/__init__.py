"""The columnar contact engine: every contact is a row in here, never a Python object.

The only place that imports duckdb. It reads and writes contact files, normalises, merges,
compares and numbers batches; it never talks to the service and never decides what to do.
"""
