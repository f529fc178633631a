"""Measures the engine: speed beside llama.cpp, long contexts, what paging costs in quality, stored
prefixes."""
