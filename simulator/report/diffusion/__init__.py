"""The report's parts for denoisers."""
