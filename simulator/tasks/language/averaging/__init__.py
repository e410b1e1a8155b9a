"""Federated averaging of one language model."""
