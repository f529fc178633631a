"""The backends: one class each, with the protocol of `nexus.unikernel.tender`."""
