"""The averaging server of denoisers."""
