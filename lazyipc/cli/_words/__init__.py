"""What somebody typed, made into JSON values and types."""
