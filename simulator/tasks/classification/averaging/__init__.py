"""Federated averaging of one classifier."""
