"""Scenarios, notebooks, benchmarks and reproductions: what the program is used for."""
