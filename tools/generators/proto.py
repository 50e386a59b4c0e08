"""Python messages, gRPC stubs and the descriptor set from the contracts in ``proto/``.

Written below ``gen/python``:

* ``tradecaptain/api/<area>/v1/*_pb2.py`` and ``.pyi``, ``*_pb2_grpc.py`` and ``.pyi``,
* ``buf/validate/validate_pb2.py``, which no wheel ships for Google's protobuf runtime,
* ``tradecaptain/api/descriptors.binpb``: every contract with all that it imports, and the
  ``google.rpc`` messages of errors, for transcoders and tools that need no source tree.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from generators import GenerationError, write_text

INPUTS = ("proto/**/*.proto", "third_party/**/*.proto", "tools/generators/proto.py")
TOOLS = ("grpcio-tools", "mypy-protobuf")

PACKAGE = Path("gen/python/tradecaptain/api")
DESCRIPTORS = PACKAGE / "descriptors.binpb"
# Compiled to Python though they are others', because nobody else installs them.
VENDORED = ("buf/validate/validate.proto",)
# In the descriptor set though no contract imports them: details of errors travel as `Any`.
DETAILS = ("google/rpc/status.proto", "google/rpc/error_details.proto")


def _protoc(root: Path, arguments: list[str], files: list[str]) -> None:
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    command = [sys.executable, "-m", "grpc_tools.protoc"]
    command += [f"-I{path}" for path in (root / "proto", root / "third_party", well_known)]
    # The plugins lie beside the interpreter, which may be a symbolic link into another folder.
    for name in ("mypy", "mypy_grpc"):
        plugin = Path(sys.executable).parent / f"protoc-gen-{name}"
        if not plugin.is_file():
            raise GenerationError(f"{plugin} is missing: run `uv sync`")
        command.append(f"--plugin=protoc-gen-{name}={plugin}")
    result = subprocess.run(
        [*command, *arguments, *files], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise GenerationError(f"protoc failed:\n{result.stderr.strip()}")


def _contracts(root: Path) -> list[str]:
    folder = root / "proto"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.proto"))


def generate(root: Path, out: Path) -> None:
    """Write everything that follows from the contracts below ``out``."""
    python = out / "gen/python"
    (out / PACKAGE).mkdir(parents=True, exist_ok=True)
    contracts = _contracts(root)
    _protoc(
        root,
        [f"--descriptor_set_out={out / DESCRIPTORS}", "--include_imports"],
        [*contracts, *DETAILS],
    )
    descriptors = FileDescriptorSet.FromString((out / DESCRIPTORS).read_bytes())
    own = set(contracts)
    services = [file.name for file in descriptors.file if file.service and file.name in own]
    _protoc(root, [f"--python_out={python}", f"--mypy_out={python}"], [*contracts, *VENDORED])
    _protoc(root, [f"--grpc_python_out={python}", f"--mypy_grpc_out={python}"], services)
    for package in (out / PACKAGE, python / "buf/validate"):
        write_text(package / "py.typed", "")
