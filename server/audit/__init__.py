"""Is it forgotten: pure functions that compare a run with its counterfactual, or attack what is left."""
