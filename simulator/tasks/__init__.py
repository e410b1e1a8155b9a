"""What a federation can be asked to learn, and how its peers can work together: ``<task>/<kind>/federation.py`` answers for one cell."""
