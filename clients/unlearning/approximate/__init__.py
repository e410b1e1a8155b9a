"""Unlearners whose guarantee is approximate."""
