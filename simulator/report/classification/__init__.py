"""What reports of classification bring."""
