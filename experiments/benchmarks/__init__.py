"""Repeatable measurements: ``python -m experiments.benchmarks.<name>``."""
