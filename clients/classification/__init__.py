"""Peers that classify."""
