"""In which order modules are compiled."""

from pathlib import Path

import pytest
from tradecaptain.base import compile_cache


def test_what_others_wait_for_longest_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "# a long program\n" * 100
    texts = {
        "ground": "size = 8\n",
        "program": f"from tradecaptain import ground\n{long}",
        "popular": "count = 9\n",
        "one": "from tradecaptain import popular\n",
        "two": "from tradecaptain import popular\n",
    }
    sources = {f"tradecaptain.{name}": tmp_path / f"{name}.py" for name in texts}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(compile_cache, "_sources", lambda: sources)
    for cached in (compile_cache._closure, compile_cache._imports, compile_cache._content):
        cached.cache_clear()
    needs = {module: compile_cache._closure(module) - {module} for module in sources}
    ahead = compile_cache._work_ahead(needs)
    order = sorted(sources, key=lambda module: -ahead[module])
    assert order[:2] == ["tradecaptain.ground", "tradecaptain.program"]
    assert ahead["tradecaptain.popular"] > ahead["tradecaptain.one"]
    for cached in (compile_cache._closure, compile_cache._imports, compile_cache._content):
        cached.cache_clear()
