"""Classification by one model that a server averages."""
