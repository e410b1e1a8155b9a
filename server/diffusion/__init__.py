"""Server side of diffusion."""
