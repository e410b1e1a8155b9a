"""Language models: small ones, which memorise their peers' records, behind guards and prompts."""
