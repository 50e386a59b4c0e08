"""How ``tradecaptain watch`` follows a stream whose process comes and goes."""

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from tradecaptain.cli import watch


class _Failed(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "nobody is there"


class _Stream:
    """Responses, and then the end or a failure."""

    def __init__(self, responses: list[int], *, fails: bool) -> None:
        self._responses = responses
        self._fails = fails

    def __iter__(self) -> Iterator[int]:
        yield from self._responses
        if self._fails:
            raise _Failed

    def cancel(self) -> None:
        pass


def test_an_outage_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "_PAUSE_SECONDS_MAX", 0.0)
    away = [_Stream([], fails=True) for _ in range(4)]
    streams = iter([*away, _Stream([1, 2], fails=True), *away, _Stream([3], fails=False)])

    def call(_request: Any) -> _Stream:
        return next(streams)

    assert list(watch.open_again(call, None)) == [1, 2, 3]
    # One at the start, one after the second response.
    assert capsys.readouterr().err.count("REASON_UNAVAILABLE") == 2
