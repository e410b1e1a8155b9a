"""The report's parts for classification."""
