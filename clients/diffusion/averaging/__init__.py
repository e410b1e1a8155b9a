"""Peers of a denoiser that a server averages."""
