"""Long robustness tests; each prints its findings and exits with status 1 if there are any."""
