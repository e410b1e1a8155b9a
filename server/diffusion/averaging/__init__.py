"""The server that averages denoisers."""
