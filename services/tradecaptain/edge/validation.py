"""Parsing and checking of requests, before a service sees them.

protovalidate runs natively on the parsed message. Message types without rules are found once and
skip it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from tradecaptain.api.errors.v1 import errors_pb2
from tradecaptain.base.errors import TradeCaptainError
from tradecaptain.edge.errors import DetailedError
from tradecaptain.edge.principals import AccountDirectory, Principal
from tradecaptain.wire import reason as reasons

ACCOUNT_FIELD = "account"
VIOLATIONS_MAX = 16
type AccountTexts = Callable[[Any], Iterator[str]]

_VALIDATOR = protovalidate.Validator()
_SUBJECT = re.compile(r"this\.(\w+)")
_REASON_OF_FIELD: dict[str, errors_pb2.Reason.ValueType] = {
    rule.field: errors_pb2.Reason.Value(reasons.NAMES[number])
    for number, rule in reasons.RULES.items()
    if rule.field and reasons.NAMES[number].startswith("REASON_INVALID_")
}


def parse[Request: Message](message_class: type[Request], data: bytes) -> Request:
    """Parse a request; bytes that aren't one are refused with REASON_INVALID_REQUEST."""
    try:
        return message_class.FromString(data)
    except DecodeError as error:
        name = message_class.DESCRIPTOR.full_name
        raise TradeCaptainError(
            reasons.REASON_INVALID_REQUEST, f"the request isn't a {name}: {error}"
        ) from error


def check(message: Message) -> None:
    """Refuse a message that breaks rules of its contract, naming fields and rules."""
    violations = _VALIDATOR.collect_violations(message)
    if violations:
        broken = [violation.proto for violation in violations[:VIOLATIONS_MAX]]
        raise _refusal(broken, _subjects_of_rules(message.DESCRIPTOR))


@cache
def _subjects_of_rules(descriptor: Descriptor) -> Mapping[str, str]:
    """The first field that each rule on a whole message speaks of, by the rule's id."""
    rules = descriptor.GetOptions().Extensions[validate_pb2.message].cel
    subjects = {rule.id: _SUBJECT.search(rule.expression) for rule in rules}
    return {rule_id: found[1] for rule_id, found in subjects.items() if found}


def _refusal(violations: list[Any], subjects: Mapping[str, str]) -> DetailedError:
    broken = [
        errors_pb2.RuleViolation(
            field=field_path(violation.field) or subjects.get(violation.rule_id, ""),
            rule=violation.rule_id,
            message=violation.message or violation.rule_id,
        )
        for violation in violations
    ]
    first = broken[0]
    message = f"{first.field}: {first.message}" if first.field else first.message
    return DetailedError(
        errors_pb2.ErrorDetail(
            reason=_reason_of(first.field),
            field=first.field,
            message=f"{message} ({first.rule})",
            violations=broken,
        )
    )


def _reason_of(field: str) -> errors_pb2.Reason.ValueType:
    """The catalogue's own reason for a bad value of a field, else that the request is invalid."""
    leaf = field.rpartition(".")[2].partition("[")[0]
    return _REASON_OF_FIELD.get(leaf, errors_pb2.REASON_INVALID_REQUEST)


def field_path(path: Any) -> str:
    """A violation's field as ``orders[3].price``."""
    parts = []
    for element in path.elements if path is not None else ():
        subscript = element.subscript
        index = f"[{subscript.value}]" if subscript is not None else ""
        parts.append(f"{element.field_name}{index}")
    return ".".join(parts)


def has_rules(descriptor: Descriptor) -> bool:
    """True if the message type, or any type inside it, carries a validation rule."""
    return any(_carries_rule(inner) for inner in _reachable(descriptor))


def account_texts(descriptor: Descriptor) -> AccountTexts | None:
    """A function that yields every non-empty account named in a request; None if none can be."""
    own = any(_is_account(field) for field in descriptor.fields)
    inner: list[tuple[str, bool, AccountTexts]] = []
    for field in descriptor.fields:
        kind = field.message_type
        if kind is None or kind.full_name.startswith("google.protobuf.") or kind is descriptor:
            continue
        if kind.GetOptions().map_entry:
            continue
        texts = account_texts(kind)
        if texts is not None:
            inner.append((field.name, field.is_repeated, texts))
    if not own and not inner:
        return None

    def collect(message: Any) -> Iterator[str]:
        if own and message.account:
            yield message.account
        for name, repeated, texts in inner:
            if repeated:
                for element in getattr(message, name):
                    yield from texts(element)
            elif message.HasField(name):
                yield from texts(getattr(message, name))

    return collect


def check_accounts(
    texts: AccountTexts, message: Message, principal: Principal, accounts: AccountDirectory
) -> None:
    """Refuse a request that names an account outside the principal."""
    for text in texts(message):
        accounts.resolve(principal, text)


def _is_account(field: FieldDescriptor) -> bool:
    return (
        field.name == ACCOUNT_FIELD
        and field.type == FieldDescriptor.TYPE_STRING
        and not field.is_repeated
    )


def _carries_rule(descriptor: Descriptor) -> bool:
    if descriptor.GetOptions().HasExtension(validate_pb2.message):
        return True
    if any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in descriptor.oneofs):
        return True
    return any(field.GetOptions().HasExtension(validate_pb2.field) for field in descriptor.fields)


def _reachable(descriptor: Descriptor) -> Iterator[Descriptor]:
    seen: set[str] = set()
    pending = [descriptor]
    while pending:
        current = pending.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        yield current
        pending += [field.message_type for field in current.fields if field.message_type]
