"""Storage of runs: the ledger in SQLite, and the artefacts."""
