"""Server side of Newton's method on sums over peers."""
