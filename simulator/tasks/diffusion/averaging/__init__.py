"""Denoisers that a server averages."""
