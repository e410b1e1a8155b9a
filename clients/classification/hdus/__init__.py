"""Peers that exchange seed models with their neighbours."""
