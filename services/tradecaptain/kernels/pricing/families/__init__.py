"""The kernels of each family, a module for those that share code: ``KERNELS`` by name.

Shapes and units: as ``columns`` and the package say. Sources: those of the kernels' own modules.
"""
