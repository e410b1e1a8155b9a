"""Measurements of denoisers whose concepts were erased."""
