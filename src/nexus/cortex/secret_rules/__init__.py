"""What credentials look like. `nexus.cortex.secrets` looks for them."""
