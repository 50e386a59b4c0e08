"""Exact comparisons of products that don't fit 64 bits, and additions that stop at the edge.

A notional value is price times quantity times a ratio: three numbers of up to 63 bits each. These
functions compare such products without a float and without overflow, with the JIT on and off.
"""

from tradecaptain.kernels.fixed_point.wide import (
    INT64_MAX,
    INT64_MIN,
    add_saturating,
    distance_exceeds,
    product4_exceeds,
    product_exceeds,
    scaled_up,
    subtract_saturating,
)

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "add_saturating",
    "distance_exceeds",
    "product4_exceeds",
    "product_exceeds",
    "scaled_up",
    "subtract_saturating",
]
