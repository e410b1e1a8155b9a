"""Measurements of denoisers from which concepts were erased."""
