"""Language models of peers that exchange seed models with their neighbours."""
