"""Server side of classification by sums."""
