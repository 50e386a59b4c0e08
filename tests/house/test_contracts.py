"""The contracts keep their style, break no client, and are what was generated from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto
from google.rpc import error_details_pb2, status_pb2

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
DESCRIPTORS = ROOT / "gen/python/tradecaptain/api/descriptors.binpb"
AREAS = ["common", "instruments", "marketdata", "orders", "orderbook", "risk", "pricing", "errors"]


def run(*command: str | Path) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


def descriptors() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())


def methods() -> list[tuple[str, MethodDescriptorProto]]:
    return [
        (f"{file.package}.{service.name}.{method.name}", method)
        for file in descriptors().file
        if file.package.startswith("tradecaptain.")
        for service in file.service
        for method in service.method
    ]


def test_buf_lint_is_content() -> None:
    run(TOOLS / "buf", "lint")


def test_no_client_breaks_against_the_released_image() -> None:
    run(TOOLS / "buf", "breaking", "proto", "--against", "proto/image.binpb")


def test_buf_notices_a_break(tmp_path: Path) -> None:
    """The check above can fail: a renumbered field is noticed."""
    for name in ("buf.yaml", "proto", "third_party"):
        run("cp", "-r", name, tmp_path)
    changed = tmp_path / "proto/tradecaptain/api/orders/v1/records.proto"
    changed.write_text(changed.read_text().replace("string quantity = 7 ", "string quantity = 70 "))
    command = [TOOLS / "buf", "breaking", "proto", "--against", "proto/image.binpb"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.returncode != 0
    assert 'field "7"' in result.stdout


def test_everything_generated_is_up_to_date() -> None:
    run(sys.executable, "tools/gen.py", "--check")


def test_every_area_is_in_the_descriptor_set_with_all_its_imports() -> None:
    files = {file.name: file for file in descriptors().file}
    for area in AREAS:
        assert f"tradecaptain/api/{area}/v1/{area}.proto" in files
    for file in files.values():
        assert set(file.dependency) <= files.keys()
    assert {"google/rpc/status.proto", "google/rpc/error_details.proto"} <= files.keys()


def test_every_call_but_bidirectional_ones_has_a_rest_path_of_its_own() -> None:
    paths: dict[tuple[str, str], str] = {}
    for name, method in methods():
        rule = method.options.Extensions[annotations_pb2.http]
        if method.client_streaming:
            assert not rule.WhichOneof("pattern")
            continue
        verb = rule.WhichOneof("pattern")
        path = getattr(rule, verb or "get")
        assert path.startswith("/v1/"), name
        assert (verb, path) not in paths, name
        paths[(verb or "", path)] = name
    assert len(paths) > 30


def test_requests_and_responses_are_named_after_their_call() -> None:
    for name, method in methods():
        call = name.rpartition(".")[2]
        assert method.input_type.endswith(f".{call}Request")
        assert method.output_type.endswith(f".{call}Response")


@pytest.mark.parametrize("module", [annotations_pb2, http_pb2, status_pb2, error_details_pb2])
def test_vendored_files_equal_the_installed_modules(module: ModuleType) -> None:
    """The wheel that ships the Python module ships its source too."""
    installed = Path(module.__file__ or "").with_name(Path(module.DESCRIPTOR.name).name)
    assert (ROOT / "third_party" / module.DESCRIPTOR.name).read_bytes() == installed.read_bytes()


def test_the_order_path_has_no_custom_expressions() -> None:
    """Custom CEL serialises each message that it looks at."""
    for name in ("orders.proto", "records.proto"):
        text = (ROOT / "proto/tradecaptain/api/orders/v1" / name).read_text()
        assert ".cel" not in text
