"""Learners that use their data through sums only, and forget by subtraction (Cao and Yang, 2015)."""
