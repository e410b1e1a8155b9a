"""Server side of diffusion with exchanged seed denoisers."""
