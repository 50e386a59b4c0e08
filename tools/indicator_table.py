"""Writes the table of docs/indicators.md from the registry: ``python tools/indicator_table.py``."""

from __future__ import annotations

from pathlib import Path

from tradecaptain.kernels.indicators.program import warm_up
from tradecaptain.kernels.indicators.registry import INDICATORS, Indicator, Parameter

PAGE = Path(__file__).resolve().parents[1] / "docs" / "indicators.md"
BEGIN = "<!-- table: written by tools/indicator_table.py -->\n"
END = "<!-- end of table -->\n"


def _parameter(parameter: Parameter) -> str:
    bounds = f"{parameter.lowest:g} … {parameter.highest:g}"
    return f"{parameter.name} = {parameter.default:g} ({bounds})"


def _row(indicator: Indicator) -> str:
    outputs = [
        f"{name}*" if name in indicator.whole_outputs else name for name in indicator.outputs
    ]
    cells = (
        f"`{indicator.name}`",
        indicator.summary.rstrip("."),
        ", ".join(indicator.inputs),
        "; ".join(map(_parameter, indicator.parameters)),
        ", ".join(outputs),
        str(warm_up(indicator.name)),
        ", ".join(indicator.unstable),
    )
    return "| " + " | ".join(cells) + " |\n"


def table() -> str:
    """All indicators, by group."""
    text = ""
    for group in sorted({indicator.group for indicator in INDICATORS.values()}):
        text += f"\n### {group}\n\n"
        text += "| name | what | inputs | parameters (bounds) | outputs | warm-up | unstable |\n"
        text += "| --- | --- | --- | --- | --- | --- | --- |\n"
        members = (INDICATORS[name] for name in sorted(INDICATORS))
        text += "".join(_row(indicator) for indicator in members if indicator.group == group)
    return text + "\n"


def page_with_table(page: str) -> str:
    """The page with the table of now in place of the one it has."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
