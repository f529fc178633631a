"""Hypotheses that were tried: a folder each, with its question, configuration, results and verdict."""
