"""Classification by neighbourhood ensembles (HDUS): its tables and how they are resolved."""
