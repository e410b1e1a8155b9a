"""What the server does where peers train denoisers."""
