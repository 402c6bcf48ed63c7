"""The sub-commands that show what a server is, says and does."""
