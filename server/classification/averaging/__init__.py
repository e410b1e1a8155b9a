"""Classifiers that a server averages."""
