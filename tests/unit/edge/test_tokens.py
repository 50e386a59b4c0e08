"""The token file: what is written is read, and what breaks a rule is refused by name."""

from pathlib import Path

import pytest
from tradecaptain.base.errors import ConfigurationError
from tradecaptain.edge.principals import Role
from tradecaptain.edge.tokens import (
    COLLECTOR,
    add_parts,
    default_entries,
    load_tokens,
    token_of,
    write_tokens,
)

GOOD = """\
[[token]]
principal = "a"
token = "0123456789abcdef"
accounts = [100]
roles = ["trade"]
"""


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_written_tokens_prove_their_principals(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    write_tokens(path, default_entries({"alpha": 100, "beta": 101}))
    assert path.stat().st_mode & 0o777 == 0o600
    table = load_tokens(path)
    alpha = table.resolve(f"Bearer {token_of(path, 'alpha')}")
    operator = table.resolve(f"bearer {token_of(path, 'operator')}")
    assert alpha is not None and operator is not None
    assert (alpha.name, alpha.default_account) == ("alpha", 100)
    assert alpha.may_use(100) and not alpha.may_use(101)
    assert alpha.has_role(Role.TRADE) and alpha.has_role(Role.READ)
    assert not alpha.has_role(Role.OPERATE)
    assert operator.may_use(101) and operator.has_role(Role.OPERATE)
    assert not operator.has_role(Role.TRADE)


def test_tokens_are_fresh_for_every_installation() -> None:
    first, second = default_entries({"alpha": 100}), default_entries({"alpha": 100})
    assert {entry.token for entry in first}.isdisjoint(entry.token for entry in second)


def test_the_collector_reads_and_sees_no_account(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    write_tokens(path, default_entries({"alpha": 100}))
    collector = load_tokens(path).resolve(f"Bearer {token_of(path, COLLECTOR)}")
    assert collector is not None
    assert [role for role in Role if collector.has_role(role)] == [Role.READ]
    assert not collector.may_use(100)


def test_a_file_without_the_parts_of_the_mesh_gets_them_and_keeps_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens.toml", "# of our own\n" + GOOD)
    add_parts(path)
    text = path.read_text()
    assert text.startswith("# of our own\n" + GOOD)
    assert path.stat().st_mode & 0o777 == 0o600
    assert token_of(path, "a") == "0123456789abcdef"
    assert load_tokens(path).resolve(f"Bearer {token_of(path, COLLECTOR)}") is not None
    add_parts(path)
    assert path.read_text() == text


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "0123456789abcdef", "Basic 0123456789abcdef"],
)
def test_other_headers_prove_nobody(tmp_path: Path, header: str) -> None:
    assert load_tokens(write(tmp_path / "tokens.toml", GOOD)).resolve(header) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_tokens(write(tmp_path / "tokens.toml", GOOD, mode))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("not toml", "isn't TOML"),
        ("other = 1\n", r"only \[\[token\]\]"),
        (GOOD.replace("0123456789abcdef", "short"), "at least 16"),
        (GOOD.replace("0123456789abcdef", "0123456789 abcdef"), "visible ASCII"),
        (GOOD.replace('"trade"', '"root"'), "roles must be among"),
        (GOOD.replace('"trade"', '"open"'), "roles must be among"),
        (GOOD.replace("[100]", "[0]"), "positive numbers"),
        (GOOD.replace("[100]", "[true]"), "positive numbers"),
        (GOOD.replace("[100]", '["*", 1]'), "positive numbers"),
        (GOOD.replace('principal = "a"\n', ""), "exactly principal"),
        (GOOD + "extra = 1\n", "exactly principal"),
        (GOOD + GOOD, "names a token twice"),
    ],
)
def test_a_broken_file_is_refused_by_its_rule(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(ConfigurationError, match=rule):
        load_tokens(write(tmp_path / "tokens.toml", text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"tokens\.toml can't be read"):
        load_tokens(tmp_path / "tokens.toml")
