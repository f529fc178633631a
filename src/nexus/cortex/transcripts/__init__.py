"""Sessions of agents: where they lie, the form of each client, and how they are cut into turns."""
