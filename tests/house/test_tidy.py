"""The house rules find what they are for."""

import ast
import datetime
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
TODAY = datetime.date(2026, 1, 15)


@pytest.fixture(scope="module")
def tidy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tidy", ROOT / "tools/tidy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    import sys

    sys.modules["tidy"] = module
    spec.loader.exec_module(module)
    return module


def rules_of(found: object) -> list[str]:
    return [problem.rule for problem in found]  # type: ignore[attr-defined]


def seams(tidy: ModuleType, path: str, source: str) -> list[str]:
    return rules_of(tidy.check_seams(f"services/tradecaptain/{path}", ast.parse(source)))


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("pricing/agent.py", "import time", "clock"),
        ("pricing/agent.py", "from time import monotonic", "clock"),
        ("pricing/agent.py", "import datetime\ndatetime.datetime.now()", "clock"),
        ("collector/feed.py", "import random\nrandom.random()", "randomness"),
        ("collector/feed.py", "import random\nrandom.Random()", "randomness"),
        ("collector/feed.py", "from uuid import uuid4", "randomness"),
        ("kernels/book.py", "import cffi", "cffi"),
        ("orderbook/agent.py", "import grpc", "grpc"),
        ("mesh/client.py", "from grpc import aio", "grpc"),
    ],
)
def test_a_seam_is_guarded(tidy: ModuleType, path: str, source: str, rule: str) -> None:
    assert seams(tidy, path, source) == [rule]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("base/clock.py", "import time\ntime.time_ns()"),
        ("mesh/aeron.py", "import cffi"),
        ("pricing/service.py", "import grpc"),
        ("edge/tokens.py", "import secrets"),
        ("mesh/simulated.py", "import random\nrandom.Random(seed)"),
    ],
)
def test_a_seam_lets_its_owner_through(tidy: ModuleType, path: str, source: str) -> None:
    assert seams(tidy, path, source) == []


def test_long_functions_and_wide_kernels_are_found(tidy: ModuleType) -> None:
    body = "\n".join("    x = 1" for _ in range(tidy.FUNCTION_LINES_MAX))
    long = ast.parse(f"def f():\n{body}")
    assert rules_of(tidy.check_functions("a.py", long)) == ["function-size"]
    wide = ast.parse("@kernel(signature)\ndef k(a, b, c, d, e, f, g, h, i):\n    return 0")
    assert rules_of(tidy.check_functions("a.py", wide)) == ["kernel-arguments"]


def test_long_files_words_and_machine_paths_are_found(tidy: ModuleType) -> None:
    long = "x = 1\n" * (tidy.FILE_LINES_MAX + 1)
    assert rules_of(tidy.check_text("a.py", long)) == ["file-size"]
    marked = "# TO" + "DO later\npath = '/wo" + "rk/main'\n"
    assert rules_of(tidy.check_text("a.py", marked)) == ["words", "paths"]
    open_door = 'host = "0.0' + '.0.0"'
    assert rules_of(tidy.check_text("services/tradecaptain/a.py", open_door)) == ["loopback"]


def test_a_twin_that_imports_its_kernel_is_found(tidy: ModuleType) -> None:
    bad = ast.parse("from tradecaptain.kernels import matching")
    assert rules_of(tidy.check_tests("tests/twins/venue/book.py", bad)) == ["twin"]
    good = ast.parse("from tradecaptain.wire import common\nfrom tradecaptain.wire.reason import X")
    assert rules_of(tidy.check_tests("tests/twins/venue/book.py", good)) == []


def test_a_test_that_sleeps_is_found(tidy: ModuleType) -> None:
    lazy = ast.parse("import time\ntime.sleep(1)")
    assert rules_of(tidy.check_tests("tests/unit/test_a.py", lazy)) == ["sleep"]


def test_a_document_that_names_nothing_is_found(tidy: ModuleType) -> None:
    files = ["docs/STYLE.md", "services/tradecaptain/base/clock.py"]
    text = "`services/tradecaptain/base/gone.py` `tradecaptain.base.clock` `tradecaptain.gone`"
    assert rules_of(tidy.check_document("README.md", text, files)) == ["docs", "docs"]
    short = "`base/clock.py` `base/gone.py` [here](docs/gone.md)"
    assert rules_of(tidy.check_document("README.md", short, files)) == ["docs", "docs"]


def test_exemptions_tolerate_expire_and_must_be_needed(tidy: ModuleType) -> None:
    problem = tidy.Problem("a.py", 1, "file-size", "long")
    good = tidy.Exemption("a.py", "file-size", "split is under way", datetime.date(2026, 2, 1))
    old = tidy.Exemption("a.py", "file-size", "split was under way", datetime.date(2026, 1, 1))
    assert tidy.judge([problem], (), TODAY) == ["a.py:1: [file-size] long"]
    assert tidy.judge([problem], (good,), TODAY) == []
    assert "ended on 2026-01-01" in tidy.judge([problem], (old,), TODAY)[0]
    assert "isn't needed" in tidy.judge([], (good,), TODAY)[0]
