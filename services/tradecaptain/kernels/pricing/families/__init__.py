"""The kernels of each family, a module for those that share code: ``KERNELS`` by name."""
