"""Run directories: their store, results and verification."""
