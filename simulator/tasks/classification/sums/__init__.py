"""Classification from sums: peers send sums over their rows; a server adds them up to one model, and forgets by subtraction."""
