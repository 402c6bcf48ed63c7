"""A server with a stack, and a client for it."""
