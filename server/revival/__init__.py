"""The attack that regrows a pruned concept from its scars: locate, complete, retain, scale."""
