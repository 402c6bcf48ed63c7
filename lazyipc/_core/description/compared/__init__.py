"""Two descriptions compared: what differs, and which old clients that breaks."""
