"""Peers that send sums over their rows."""
