"""Federated averaging of language models, with a registry of guards."""
