"""What is shown: for people on a terminal, as JSON to programs."""
