"""What a peer is and does: its data, models, training, ensemble, and how it forgets."""
