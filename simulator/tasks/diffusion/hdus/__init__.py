"""Diffusion with exchanged seed denoisers."""
