"""Peers under federated averaging, independent of the model."""
