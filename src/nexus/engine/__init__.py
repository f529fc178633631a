"""The engine room: a language model that streams, counts its tokens and can be stopped.

`base` is the contract; `llamacpp` runs a GGUF file in a child process, `remote` speaks to any
OpenAI-compatible server. Knows nothing of memories, documents or the service. Importing this
package imports nothing heavy.
"""
