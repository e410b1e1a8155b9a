"""Approximate methods for any network that classifies: from weights, rows to forget and rows to retain, to new weights."""
