"""The averaging server, independent of the model."""
