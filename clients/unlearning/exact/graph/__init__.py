"""GraphEraser: exact unlearning of nodes and edges by balanced graph partition (Chen et al., CCS 2022)."""
