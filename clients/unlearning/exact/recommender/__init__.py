"""RecEraser: exact unlearning of interactions by balanced partition and attentive aggregation (Chen et al., WWW 2022)."""
