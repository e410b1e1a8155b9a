"""The report's sections on denoisers."""
