"""The contract's flags are the bits that engine and gate read."""

import pytest
from tradecaptain.api.orders.v1 import records_pb2
from tradecaptain.edge.order_instructions import BIT_BY_FIELD, BOUNDED, instruction_bits
from tradecaptain.kernels.matching import terms
from tradecaptain.kernels.risk_gate import permissions


def test_the_engine_reads_the_same_bits() -> None:
    assert {
        "post_only": terms.INSTRUCTION_POST_ONLY,
        "reduce_only": terms.INSTRUCTION_REDUCE_ONLY,
        "hidden": terms.INSTRUCTION_HIDDEN,
        "all_or_none": terms.INSTRUCTION_ALL_OR_NONE,
        "slide": terms.INSTRUCTION_SLIDE,
        "top_priority": terms.INSTRUCTION_TOP,
        "located": permissions.INSTRUCTION_LOCATED,
    } == BIT_BY_FIELD
    assert terms.INSTRUCTION_BOUNDED == BOUNDED


@pytest.mark.parametrize("name", BIT_BY_FIELD)
def test_each_flag_is_its_bit(name: str) -> None:
    order = records_pb2.NewOrder()
    assert instruction_bits(order) == 0
    setattr(order, name, True)
    assert instruction_bits(order) == BIT_BY_FIELD[name]


def test_a_peg_with_a_price_is_bound() -> None:
    order = records_pb2.NewOrder(type=records_pb2.ORDER_TYPE_PEGGED, price="1")
    assert instruction_bits(order) == BOUNDED
    order.type = records_pb2.ORDER_TYPE_LIMIT
    assert instruction_bits(order) == 0
