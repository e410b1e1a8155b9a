"""Forests that forget rows in microseconds: splits proven to last as long as the removal budget, variants kept for the others."""
