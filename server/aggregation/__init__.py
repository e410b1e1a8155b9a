"""Folding what peers send into one model."""
