"""Prompts and filters that withhold knowledge and change no weight: guardrails, and unlearning in context."""
