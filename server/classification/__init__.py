"""What the server does where peers classify."""
