"""Server side of language models with exchanged seed models."""
