"""The attack that restores a pruned concept from the remaining weights: locate, complete, retain, scale."""
