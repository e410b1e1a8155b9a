"""Unlearners whose state after forgetting is, byte for byte, that of a model that never saw the data."""
