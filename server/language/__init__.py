"""The timeline and the averaging server of language models."""
