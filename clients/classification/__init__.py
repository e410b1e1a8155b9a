"""Classification peers."""
