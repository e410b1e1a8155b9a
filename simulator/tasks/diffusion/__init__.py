"""Federations that train a denoiser together: tables, events, plans, and what is measured."""
