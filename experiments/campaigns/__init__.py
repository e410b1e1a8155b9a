"""Campaigns: many inputs nobody would write on purpose, to see that each is answered."""
