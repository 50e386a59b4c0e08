"""Benchmarks: ``python -m perf`` lists them, ``python -m perf NAME`` runs one."""
