"""What a trained Nexus is measured by: needles, recall on books, bits per byte; each beside its controls.

A module each for the command line (`nexus eval`) and the bench (`bench/transformer_eval.py`), which call the
same. A candidate is a Nexus or a control: it has `config`, `start`, `steps`, `stream`, `log_p` and `losses`.
"""
