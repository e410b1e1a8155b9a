"""Evaluation classifiers for samples."""
