"""`lazyipc shell`: a prompt for a running server's commands."""
