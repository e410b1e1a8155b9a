"""What the server does where classifying peers send sums."""
