"""Scenarios, notebooks, benchmarks, campaigns and reproductions."""
