"""Two asyncio programs that talk in typed messages: a sandwich, and a worker that is steered."""
