"""Who somebody is, and what a route asks of them. Floor 4."""
