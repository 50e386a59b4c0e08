"""tools/gen.py: what it refuses, and that its check sees every kind of difference."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from support.wire_records import REPOSITORY


@pytest.fixture(scope="module")
def gen() -> Iterator[ModuleType]:
    sys.path.insert(0, str(REPOSITORY / "tools"))
    import gen as module

    yield module
    sys.path.remove(str(REPOSITORY / "tools"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that holds the schemas alone."""
    shutil.copytree(REPOSITORY / "schemas", tmp_path / "schemas")
    shutil.copytree(
        REPOSITORY / "tools" / "generators" / "runtime",
        tmp_path / "tools" / "generators" / "runtime",
    )
    shutil.copytree(REPOSITORY / "proto", tmp_path / "proto")
    shutil.copytree(REPOSITORY / "third_party", tmp_path / "third_party")
    return tmp_path


def replace(root: Path, name: str, old: str, new: str) -> None:
    path = root / "schemas" / "capnp" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def generate(gen: ModuleType, name: str, root: Path, out: Path) -> None:
    for module in gen._load([name]):
        module.generate(root, out)


@pytest.mark.parametrize("name", ["capnp", "streams", "reasons"])
def test_committed_files_are_what_the_sources_say(
    gen: ModuleType, name: str, root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    generate(gen, name, root, out)
    written = [path for path in out.rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert path.read_bytes() == (REPOSITORY / path.relative_to(out)).read_bytes(), path


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("value @11 :Int64;", "value @11 :Text;", "scalars only"),
        ("value @11 :Int64;", "value @11 :Int64 = 5;", "default other than zero"),
        ("value @11 :Int64;", "value @11 :Bool;", "plain numbers only"),
        ("const currentVersion :UInt16 = 7;", "", "currentVersion"),
        ("epoch @2 :UInt32;", "era @2 :UInt32;", "first five fields"),
        ("struct Control {", "struct Unheard {", "RecordKind"),
        (
            "struct Control {",
            "const stray :UInt16 = 1;\nstruct Control {",
            "only enums and structs",
        ),
        ("struct Control {", "struct Control", "capnp failed"),
    ],
)
def test_schema_that_breaks_a_rule_is_refused(
    gen: ModuleType, root: Path, tmp_path: Path, old: str, new: str, rule: str
) -> None:
    replace(root, "control.capnp", old, new)
    with pytest.raises(gen.GenerationError, match=rule):
        generate(gen, "capnp", root, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("id = 1002", "id = 1001", "one id"),
        ("term_bytes = 1048576", "term_bytes = 1000000", "power of two"),
        ('record = "Control"', 'record = "Nothing"', "in no schema"),
        ("tether = true", "tether = true\ncolour = 1", "exactly the keys"),
    ],
)
def test_stream_table_that_breaks_a_rule_is_refused(
    gen: ModuleType, root: Path, tmp_path: Path, old: str, new: str, rule: str
) -> None:
    path = root / "schemas" / "streams.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(gen.GenerationError, match=rule):
        generate(gen, "streams", root, tmp_path / "out")


def test_reason_without_a_rule_is_refused(gen: ModuleType, root: Path, tmp_path: Path) -> None:
    path = root / "proto" / "tradecaptain" / "api" / "errors" / "v1" / "errors.proto"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('rule: "side must be buy or sell", ', ""), encoding="utf-8")
    with pytest.raises(gen.GenerationError, match="REASON_INVALID_SIDE needs a rule"):
        generate(gen, "reasons", root, tmp_path / "out")


def test_check_names_missing_foreign_and_changed_files(gen: ModuleType, tmp_path: Path) -> None:
    actual, expected = tmp_path / "actual", tmp_path / "expected"
    for folder in (actual, expected):
        (folder / "gen").mkdir(parents=True)
        (folder / "gen" / "same.py").write_text("1\n")
        (folder / "gen" / "changed.py").write_text(f"{folder.name}\n")
    (expected / "gen" / "missing.py").touch()
    (actual / "gen" / "foreign.py").touch()
    (actual / "docs").mkdir()
    (actual / "docs" / "errors.md").touch()
    assert gen.differences(actual, expected) == [
        "missing: gen/missing.py",
        "not generated: docs/errors.md",
        "not generated: gen/foreign.py",
        "changed: gen/changed.py",
    ]
    gen.install(expected, actual, delete=True)
    assert gen.differences(actual, expected) == []


def test_missing_tool_is_an_error(gen: ModuleType) -> None:
    from generators import run_tool

    with pytest.raises(gen.GenerationError, match="no-such-tool is missing"):
        run_tool("no-such-tool", cwd=REPOSITORY)


def test_stream_table_names_records_and_sizes() -> None:
    from tradecaptain.wire import control, order_command, streams

    orders = streams.STREAMS["order_commands"]
    assert orders.stream_id == streams.ORDER_COMMANDS == 1001
    assert orders.record == "order_command"
    assert orders.record_bytes == order_command.RECORD_BYTES
    assert orders.tether
    assert streams.BY_ID[streams.CONTROL_EVENTS].record_bytes == control.RECORD_BYTES


def test_reasons_have_the_catalogue_numbers_everywhere() -> None:
    import capnp
    from tradecaptain.wire import reason

    assert reason.REASON_PRICE_COLLAR == 203
    assert reason.RULES[203].field == "price"
    assert reason.RULES[204].retryable
    schema = capnp.load(str(REPOSITORY / "gen" / "capnp" / "reason.capnp"))
    enumerants = schema.Reason.schema.enumerants
    assert enumerants["priceCollar"] == 203
    named = {number for name, number in enumerants.items() if not name.startswith("reserved")}
    assert named == set(reason.NAMES)
    header = (REPOSITORY / "gen" / "c" / "tradecaptain_reason.h").read_text(encoding="utf-8")
    table = (REPOSITORY / "docs" / "errors.md").read_text(encoding="utf-8")
    for number, name in reason.NAMES.items():
        assert f"TRADECAPTAIN_{name} = {number}," in header
        assert number == 0 or f"| {number} | `{name.removeprefix('REASON_')}` |" in table


def test_c_header_compiles_where_a_compiler_is_at_hand(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    source = tmp_path / "probe.c"
    source.write_text(
        '#include "tradecaptain_reason.h"\n'
        "int main(void) { return TRADECAPTAIN_REASON_PRICE_COLLAR == 203 ? 0 : 1; }\n"
    )
    program = tmp_path / "probe"
    include = REPOSITORY / "gen" / "c"
    subprocess.run([compiler, f"-I{include}", str(source), "-o", str(program)], check=True)
    assert subprocess.run([str(program)], check=False).returncode == 0
