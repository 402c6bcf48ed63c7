"""What a server tells of itself: its command set as one JSON object, made, read and compared."""
