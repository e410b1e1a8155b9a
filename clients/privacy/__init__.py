"""Differentially private training: what a row can contribute is limited from the start, and what was spent of its privacy is counted."""
