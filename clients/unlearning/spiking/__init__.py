"""Unlearning in spiking networks: selection of neurons, and the phases that change them."""
