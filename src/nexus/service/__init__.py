"""The always-on service: one process that composes the rooms and speaks HTTP on loopback."""
