"""Kernels of Debian under QEMU: what `make test-kernel` runs, and what other tests boot guests with."""
