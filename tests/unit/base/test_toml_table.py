"""The small TOML writer: what it writes, the standard parser reads back."""

import datetime
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradecaptain.base.toml_table import toml_table, toml_value

values = st.recursive(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(-(2**63), 2**63 - 1),
        st.booleans(),
        st.dates(datetime.date(1, 1, 1)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("ab. -", max_size=4), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc_ .@", min_size=1, max_size=8), values, max_size=4))
def test_what_is_written_is_read_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(toml_table("[t]", table)) == {"t": table}


def test_what_toml_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError, match="no form"):
        toml_value(object())
