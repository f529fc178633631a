"""`nexus agents demo`: simulated agents in processes of their own around a broker of their own.

What the agents hold is made here or read from real transcripts, and written to a file before it begins; every
byte that comes out of the store is compared with that file. Knows nothing of tables and colours.
"""
