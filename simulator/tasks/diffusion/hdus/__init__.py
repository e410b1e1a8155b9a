"""Denoisers of peers that exchange seed denoisers."""
