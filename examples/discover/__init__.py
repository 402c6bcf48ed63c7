"""A server, and a notebook that finds it and commands it without any of its code."""
