"""Classification: one package per federation kind."""
