"""Our own engine, inside its worker process: the scheduler of streams and what it stands on.

Only the worker imports this; the rest of the house speaks to it over a socket.
"""
