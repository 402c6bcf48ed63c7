"""System calls: bytes and descriptors, never messages."""
