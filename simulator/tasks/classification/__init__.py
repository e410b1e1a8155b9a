"""Peers that classify: one package a federation kind."""
