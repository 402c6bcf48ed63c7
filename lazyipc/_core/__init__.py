"""The pure core: no socket, selector, thread, clock or file."""
