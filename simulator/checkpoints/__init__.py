"""Pruning, revival, sealing and scanning of released checkpoints in diffusers format, without a federation."""
