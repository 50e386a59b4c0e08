"""How requests name instruments."""

from __future__ import annotations

import pytest
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.base.reference_file import default_reference
from tradecaptain.wire.reason import REASON_UNKNOWN_INSTRUMENT


def test_an_instrument_is_named_by_key_by_bare_symbol_or_by_id() -> None:
    reference = default_reference()
    instrument = reference.own_venue()[0]
    assert reference.named(instrument.key) is instrument
    assert reference.named(instrument.symbol) is instrument
    assert reference.named(str(instrument.instrument_id)) is instrument


@pytest.mark.parametrize("text", ["", "0", "999999", "NOSUCH@TCAP", "²", "-1", "1 ", "@TCAP"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(TradeCaptainError) as caught:
        default_reference().named(text)
    assert caught.value.reason == REASON_UNKNOWN_INSTRUMENT
