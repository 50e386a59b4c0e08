"""The script `tc` with a uv of our own making: what it tries, and what it says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UV_OF_A_GUARDED_NETWORK = """\
#!/bin/sh
echo "certificates: ${UV_SYSTEM_CERTS:-of uv}" >&2
[ -n "${UV_SYSTEM_CERTS:-}" ] && [ "$UV_SYSTEM_CERTS" != refused ] || exit 1
mkdir -p "$UV_PROJECT_ENVIRONMENT/bin"
ln -sf "$TC_PYTHON" "$UV_PROJECT_ENVIRONMENT/bin/python"
printf '#!/bin/sh\\necho "ran $*"\\n' >"$UV_PROJECT_ENVIRONMENT/bin/tradecaptain"
chmod +x "$UV_PROJECT_ENVIRONMENT/bin/tradecaptain"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, and with the uv that it would otherwise bring."""
    for name in ("tc", "uv.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    script = (tmp_path / "tc").read_text()
    version = script.split("uv_version=")[1].splitlines()[0]
    uv = tmp_path / f".tc/uv-{version}/bin/uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(UV_OF_A_GUARDED_NETWORK)
    uv.chmod(0o755)
    return tmp_path


def call(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [checkout / "tc", *arguments],
        env={**kept, "TC_PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_certificates_of_the_machine_are_tried_where_those_of_uv_do_not_do(
    checkout: Path,
) -> None:
    ended = call(checkout, "status", "--json")
    assert (ended.returncode, ended.stdout) == (0, "ran status --json\n")
    said = [line for line in ended.stderr.splitlines() if str(checkout) not in line]
    assert said[-3:] == [
        "certificates: of uv",
        "tc: trying once more with the certificates of this machine",
        "certificates: 1",
    ]
    again = call(checkout, "down")
    assert (again.stdout, again.stderr) == ("ran down\n", "")


def test_certificates_that_somebody_chose_are_the_only_ones_tried(checkout: Path) -> None:
    ended = call(checkout, "status", UV_SYSTEM_CERTS="refused")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("certificates:") == 1
    assert "the installation failed" in ended.stderr
