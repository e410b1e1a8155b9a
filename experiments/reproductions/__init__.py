"""What papers found, found again or not: ``python -m experiments.reproductions.<name>``."""
