"""The search for the smallest network that is still good enough."""
