"""Forgetting from stored statistics: the rows are dropped once they are learned, and come back with the request that forgets them."""
