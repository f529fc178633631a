"""How agents are told of the service: their own settings files, changed only as far as needed."""
