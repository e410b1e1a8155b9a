"""Federated averaging of one denoiser."""
