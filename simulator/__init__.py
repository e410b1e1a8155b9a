"""How a run is described, carried and kept."""
