"""A command set described: one JSON object, made from its classes."""
