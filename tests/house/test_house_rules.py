"""Style, types, floor plan and house rules are failing tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
PYTHON_FOLDERS = ("services", "tests", "tools", "perf")


def check(*command: str) -> None:
    """Run a tool in the repository; on failure show what it says."""
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    if result.returncode:
        pytest.fail(f"{' '.join(command)}\n{result.stdout}{result.stderr}", pytrace=False)


def test_lint_is_clean() -> None:
    check(str(TOOLS / "ruff"), "check", "--no-cache", *PYTHON_FOLDERS)


def test_format_is_ruffs() -> None:
    check(str(TOOLS / "ruff"), "format", "--check", "--no-cache", *PYTHON_FOLDERS)


def test_types_are_strict() -> None:
    check(str(TOOLS / "mypy"))


def test_imports_follow_the_floor_plan() -> None:
    check(str(TOOLS / "lint-imports"), "--no-cache")


def test_house_rules_hold() -> None:
    check(sys.executable, "tools/tidy.py")


def test_generated_files_are_what_the_generator_writes() -> None:
    check(sys.executable, "tools/gen.py", "--check")
