"""The protocol without I/O, one class for each role."""
