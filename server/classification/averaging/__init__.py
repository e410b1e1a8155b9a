"""Federated averaging of classifiers."""
