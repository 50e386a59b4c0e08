"""The reference page has the table that the registry gives."""

from tools import indicator_table


def test_the_page_is_as_the_registry_is():
    page = indicator_table.PAGE.read_text(encoding="utf-8")
    assert indicator_table.page_with_table(page) == page, "run tools/indicator_table.py"
