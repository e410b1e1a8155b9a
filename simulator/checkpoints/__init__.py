"""The same methods on released checkpoints, without a federation: prune, revive, seal and scan folders in diffusers format."""
