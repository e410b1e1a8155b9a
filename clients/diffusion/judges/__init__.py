"""Classifiers that judge samples."""
