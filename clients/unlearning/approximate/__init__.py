"""Unlearners whose guarantee is approximate or certified."""
