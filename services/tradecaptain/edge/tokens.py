"""The token file: bearer tokens of the principals of one installation.

`up` writes it into the run folder, readable by its owner alone. A file that others can read is
refused, because whoever reads a token trades with it.
"""

from __future__ import annotations

import os
import secrets
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradecaptain.base.errors import ConfigurationError
from tradecaptain.edge.principals import Principal, Role

ALL_ACCOUNTS = "*"
COLLECTOR = "collector"
"""The principal as which the collector asks the venue for its books."""
MINIMUM_TOKEN_CHARACTERS = 16
_GRANTABLE = {role.value: role for role in Role if role is not Role.OPEN}


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """One token and the principal that it proves."""

    token: str
    principal: Principal


class TokenTable:
    """Principals by bearer token; the :class:`PrincipalSource` of a local installation."""

    def __init__(self, entries: Iterable[TokenEntry]) -> None:
        self._by_header = {f"Bearer {entry.token}": entry.principal for entry in entries}

    def __len__(self) -> int:
        return len(self._by_header)

    def resolve(self, authorization: str) -> Principal | None:
        """The principal of an ``authorization`` header value, or None."""
        principal = self._by_header.get(authorization)
        if principal is None and authorization[:7].lower() == "bearer ":
            principal = self._by_header.get("Bearer " + authorization[7:].strip())
        return principal


def new_token() -> str:
    """A fresh random token of 256 bits."""
    return "tc_" + secrets.token_urlsafe(32)


def default_entries(accounts: Mapping[str, int]) -> list[TokenEntry]:
    """One trader for each client account (name → id), an operator who sees all accounts, an
    administrator of the venue, and the parts of the mesh that read from others."""
    entries = [
        TokenEntry(
            new_token(), Principal(name, frozenset({account_id}), False, frozenset({Role.TRADE}))
        )
        for name, account_id in accounts.items()
    ]
    operator = Principal("operator", frozenset(), True, frozenset({Role.OPERATE, Role.READ}))
    administrator = Principal("venue", frozenset(), False, frozenset({Role.ADMINISTER}))
    entries += [TokenEntry(new_token(), owner) for owner in (operator, administrator)]
    return [*entries, *_part_entries()]


def _part_entries() -> list[TokenEntry]:
    """Tokens of the parts that read from others; such a part sees no account."""
    collector = Principal(COLLECTOR, frozenset(), False, frozenset({Role.READ}))
    return [TokenEntry(new_token(), collector)]


def write_tokens(path: Path, entries: Iterable[TokenEntry]) -> None:
    """Write the file with mode 0600, replacing an older one in one step."""
    heading = "# Bearer tokens of this installation. Whoever reads one trades with it.\n"
    _replace(path, heading + _blocks(entries))


def add_parts(path: Path) -> None:
    """Give parts of the mesh that the file doesn't name a token; the rest stays as it stands.

    A file may be of an earlier release, or its owner's own.
    """
    known = {entry.principal.name for entry in load_entries(path)}
    missing = [entry for entry in _part_entries() if entry.principal.name not in known]
    if missing:
        text = path.read_text(encoding="utf-8")
        _replace(path, text.rstrip("\n") + "\n" + _blocks(missing))


def _blocks(entries: Iterable[TokenEntry]) -> str:
    """Entries as TOML, each behind an empty line."""
    blocks = []
    for entry in entries:
        accounts: list[int | str] = sorted(entry.principal.accounts)
        if entry.principal.all_accounts:
            accounts = [ALL_ACCOUNTS]
        roles = sorted(role.value for role in entry.principal.roles)
        blocks.append(
            "\n[[token]]\n"
            f"principal = {_toml(entry.principal.name)}\n"
            f"token = {_toml(entry.token)}\n"
            f"accounts = [{', '.join(_toml(account) for account in accounts)}]\n"
            f"roles = [{', '.join(_toml(role) for role in roles)}]\n"
        )
    return "".join(blocks)


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def load_entries(path: Path) -> list[TokenEntry]:
    """Read the file; raises ConfigurationError naming the file and the rule that it breaks."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refuse(f"token file {path} can't be read: {error}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise _refuse(f"token file {path} can be read by others: run `chmod 600 {path}`")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _refuse(f"token file {path} isn't TOML: {error}") from error
    tables = document.get("token", [])
    if not isinstance(tables, list) or set(document) - {"token"}:
        raise _refuse(f"token file {path} must hold only [[token]] tables")
    entries = [_entry(table, f"token {index + 1} of {path}") for index, table in enumerate(tables)]
    if len({entry.token for entry in entries}) != len(entries):
        raise _refuse(f"token file {path} names a token twice")
    return entries


def load_tokens(path: Path) -> TokenTable:
    """The file as a table that resolves headers."""
    return TokenTable(load_entries(path))


def token_of(path: Path, principal: str) -> str:
    """The token of a principal, for tools that run as the file's owner."""
    for entry in load_entries(path):
        if entry.principal.name == principal:
            return entry.token
    raise _refuse(f"token file {path} has no principal {principal!r}")


def _entry(table: Any, where: str) -> TokenEntry:
    if not isinstance(table, dict):
        raise _refuse(f"{where} must be a table")
    if set(table) != {"principal", "token", "accounts", "roles"}:
        raise _refuse(f"{where} must have exactly principal, token, accounts and roles")
    name, token = table["principal"], table["token"]
    accounts, roles = table["accounts"], table["roles"]
    if not isinstance(name, str) or not name:
        raise _refuse(f"{where}: principal must be a name")
    if (
        not isinstance(token, str)
        or len(token) < MINIMUM_TOKEN_CHARACTERS
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise _refuse(
            f"{where}: token must be at least {MINIMUM_TOKEN_CHARACTERS} visible ASCII characters"
        )
    if not isinstance(roles, list) or any(role not in _GRANTABLE for role in roles):
        raise _refuse(f"{where}: roles must be among {', '.join(sorted(_GRANTABLE))}")
    all_accounts = accounts == [ALL_ACCOUNTS]
    if not all_accounts and (
        not isinstance(accounts, list)
        or any(type(account) is not int or account <= 0 for account in accounts)
    ):
        raise _refuse(f'{where}: accounts must be positive numbers, or exactly ["*"]')
    owned = frozenset() if all_accounts else frozenset(accounts)
    granted = frozenset(_GRANTABLE[role] for role in roles)
    return TokenEntry(token, Principal(name, owned, all_accounts, granted))


def _toml(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse(message: str) -> ConfigurationError:
    return ConfigurationError(message, field="token")
