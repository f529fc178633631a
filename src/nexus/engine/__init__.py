"""The engine room: a language model that streams, counts its tokens and can be stopped.

`base` is the contract; `child_engine` runs a GGUF file in a child process (`local`, our own engine, or
llama.cpp), `remote` speaks to any OpenAI-compatible server. Knows nothing of memories, documents or the
service. Importing this package imports nothing heavy.
"""
