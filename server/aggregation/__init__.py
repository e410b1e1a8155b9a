"""Aggregation of peers' updates into one model."""
