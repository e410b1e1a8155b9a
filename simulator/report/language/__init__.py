"""Parts of reports on language models."""
