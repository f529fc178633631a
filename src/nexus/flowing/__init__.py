"""FlowingNEXUS: a byte predictor that learns while it reads, without layers and back-propagation.

`flow.Flow` is what the rest of the house uses; `reference.Reference` defines what it computes.
"""
