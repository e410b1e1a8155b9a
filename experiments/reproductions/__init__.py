"""Reproductions of published results: ``python -m experiments.reproductions.<name>``."""
