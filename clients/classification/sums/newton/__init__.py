"""Peers that answer a server's questions with the sums that Newton's method needs."""
