"""A server that averages what peers trained, whatever the model."""
