"""What the server does where classifying peers exchange seed models."""
