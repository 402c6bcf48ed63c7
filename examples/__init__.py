"""Programs to learn from; each runs from the root of the repository."""
