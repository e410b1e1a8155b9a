"""Long trials of the program's robustness; each prints what it found and exits with 1 where that is anything."""
