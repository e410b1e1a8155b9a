"""What the server does where peers exchange seed denoisers."""
