"""Audit statistics: pure functions that compare a run with its counterfactual or attack its models."""
