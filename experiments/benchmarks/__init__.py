"""Measurements that anybody can repeat: ``python -m experiments.benchmarks.<name>``."""
