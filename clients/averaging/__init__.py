"""Peers whose updates a server averages, whatever the model."""
