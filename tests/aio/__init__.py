"""Bytes and moments in an event loop: tests without a socket, and with a clock set by hand."""
