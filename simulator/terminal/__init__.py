"""Output in the terminal: tables, JSON, verdicts."""
