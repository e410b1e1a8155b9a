"""Exact unlearners: their state after forgetting is bit-equal to that of a model that never had the data."""
