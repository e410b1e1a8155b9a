"""Classification by neighbourhood ensembles."""
