"""Sections that audits bring to the report."""
