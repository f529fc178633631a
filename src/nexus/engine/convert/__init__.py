"""Model files from elsewhere, made into what the engine loads: one GGUF file.

`from_safetensors` reads a folder as model hubs publish it, `ternarise` rewrites a GGUF file with
ternary weights. Everything streams: no more than a few matrices are in memory at once. Knows
files and numbers, not how a model computes. Needs numpy, which is imported on use.
"""
