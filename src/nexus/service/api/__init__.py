"""The routes, one file per interface spoken."""
