"""The recurrent sparse memory: set-associative entries that are written a chunk at a time.

`reference.write` is the definition, `chunked.write` the fast way to the same result; `entries.Entries` is
what is kept, `writes.Writes` what a chunk hands in, `read` how it is asked, `tape.Tape` how it is trained.
"""
