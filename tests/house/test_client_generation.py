"""What docs/clients.md has buf do gives each language's plugin what its compiler can use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "clients.md"
DESCRIPTORS = ROOT / "gen/python/tradecaptain/api/descriptors.binpb"
BUF = Path(sys.executable).with_name("buf")
# Notes what it is asked for, once for each folder of contracts, and generates nothing.
PLUGIN = """#!{python}
import os, pathlib, sys
from google.protobuf.compiler.plugin_pb2 import CodeGeneratorResponse as Response
pathlib.Path(f"{{sys.argv[0]}}.{{os.getpid()}}.request").write_bytes(sys.stdin.buffer.read())
answer = Response(supported_features=Response.FEATURE_PROTO3_OPTIONAL)
sys.stdout.buffer.write(answer.SerializeToString())
"""


def configuration(language: str) -> str:
    """The first indented block behind a heading: the language's ``buf.gen.yaml``."""
    section = DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {language}\n")[2]
    block = section[section.index("    version: v2") :].partition("\n\n")[0]
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


def generate(
    folder: Path, language: str, plugin: str, *arguments: str
) -> tuple[dict[str, str], set[str]]:
    """Run buf as documented: all files with their packages in Go, and those to be generated."""
    (folder / "buf.gen.yaml").write_text(configuration(language))
    path = folder / plugin
    path.parent.mkdir(parents=True, exist_ok=True)
    for place in (path, path.with_name("protoc-gen-go-grpc")):
        place.write_text(PLUGIN.format(python=sys.executable))
        place.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run([BUF, "generate", *arguments], cwd=folder, env=environment, check=True)
    asked = [
        CodeGeneratorRequest.FromString(file.read_bytes())
        for file in path.parent.glob(f"{path.name}.*.request")
    ]
    packages = {file.name: file.options.go_package for each in asked for file in each.proto_file}
    return packages, {name for each in asked for name in each.file_to_generate}


@pytest.mark.parametrize(
    "source",
    [
        (str(ROOT), "--exclude-path", str(ROOT / "third_party/google")),
        (str(DESCRIPTORS), "--exclude-path", "google"),
    ],
    ids=["checkout", "installed package"],
)
def test_go_packages_lie_in_the_reader_s_module(tmp_path: Path, source: tuple[str, ...]) -> None:
    packages, wanted = generate(tmp_path, "Go", "protoc-gen-go", *source)
    assert "tradecaptain/api/orders/v1/orders.proto" in wanted
    # Google's own packages for Go are used as they are.
    assert not any(name.startswith("google/") for name in wanted)
    assert packages["google/api/annotations.proto"].startswith("google.golang.org/genproto/")
    assert all(packages[name].startswith("example.com/trader/gen/") for name in wanted)


@pytest.mark.parametrize("source", [ROOT, DESCRIPTORS], ids=["checkout", "installed package"])
def test_typescript_gets_all_that_the_contracts_import(tmp_path: Path, source: Path) -> None:
    plugin = "node_modules/.bin/protoc-gen-es"
    packages, wanted = generate(tmp_path, "TypeScript", plugin, str(source))
    assert "tradecaptain/api/orders/v1/orders.proto" in wanted
    # What the runtime brings along itself needn't be generated.
    assert all(name in wanted or name.startswith("google/protobuf/") for name in packages)
