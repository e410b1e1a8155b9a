"""Where a run is kept: ledger and artefacts."""
