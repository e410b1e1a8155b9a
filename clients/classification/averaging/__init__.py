"""Peers that train one classifier, which a server averages."""
