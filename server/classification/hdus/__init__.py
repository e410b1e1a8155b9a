"""Server side of classification with exchanged seed models."""
