"""Comparisons of methods: one request carried out by each of several methods, from the same rounds before it."""
