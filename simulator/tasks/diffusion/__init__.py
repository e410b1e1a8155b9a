"""Diffusion: tables, events, plans and results of federations that train denoisers."""
