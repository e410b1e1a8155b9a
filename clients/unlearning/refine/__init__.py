"""What makes rows hard to forget, and requests that are split by it (RUM)."""
