"""Peers that exchange seed denoisers with their neighbours."""
