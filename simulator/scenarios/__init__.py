"""Scenario files: schema, validation, resolution to a plan."""
