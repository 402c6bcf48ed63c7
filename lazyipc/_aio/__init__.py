"""Bytes and moments in an event loop; never messages."""
