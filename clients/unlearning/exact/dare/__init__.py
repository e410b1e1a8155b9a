"""Random forests that delete rows by repairing only the subtrees whose best split changed (Brophy and Lowd, 2021)."""
