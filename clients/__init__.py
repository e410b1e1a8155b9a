"""The peers: their data, models, training, ensembles and unlearning."""
