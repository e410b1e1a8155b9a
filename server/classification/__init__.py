"""Server side of classification."""
