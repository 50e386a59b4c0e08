"""Compiled kernels on disk: where they are kept, and how the cache is filled.

The cache folder is named by a hash of every source that takes part in compiling (numba doesn't see
an edit in an imported helper), the processor's features and the versions of the compilers. When a
source changes, what doesn't depend on it is taken over from folders before. Entries go by the name
of their module, so that equal sources elsewhere, of another checkout or a wheel, find them too.
"""

from __future__ import annotations

import ast
import fcntl
import hashlib
import importlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tradecaptain.base.parent_death import end_with_parent

ROOT_VARIABLE = "TRADECAPTAIN_CACHE"
FOLDER_VARIABLE = "NUMBA_CACHE_DIR"
CPU_NAME_VARIABLE = "NUMBA_CPU_NAME"
CPU_FEATURES_VARIABLE = "NUMBA_CPU_FEATURES"
# Says which folder is ours: a NUMBA_CACHE_DIR that somebody else set is respected.
OWNER_VARIABLE = "TRADECAPTAIN_KERNEL_CACHE"
_MANIFEST = "sources.json"
_COMPLETE = "complete"
_START_COMPLETE = "start-complete"
_LOCK = "lock"
# Folders beyond so many are removed once nobody has begun to use them for a week: another checkout,
# or a mesh that is running, may still need them.
_KEPT_FOLDERS = 4
_KEPT_SECONDS = 7 * 24 * 3600
_PACKAGE = "tradecaptain"
_NEVER_COMPILED = ("api", "cli", "client", "edge", "launch", "simulation")
_KERNEL_MARK = re.compile(
    r"^@(?:jit\.)?(?:kernel|entry|block|(?:whole_)?duty_cycle)\b", re.MULTILINE
)
_KERNELS: list[tuple[str, str]] = []

type Progress = Callable[[int, int, str], None]


class CompilationError(Exception):
    """A kernel can't be compiled; the compiler's own words are on standard error."""


@dataclass(frozen=True, slots=True)
class CompileReport:
    """What :func:`compile_all` did."""

    folder: Path
    kernels: int
    compiled: int


def jit_is_disabled() -> bool:
    """Whether kernels run as plain Python in this process."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def cache_root() -> Path:
    """The folder that ``TRADECAPTAIN_CACHE`` names, or one in the user's cache folder."""
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        return Path(named).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tradecaptain"


def prepare_cache(root: Path | None = None) -> Path:
    """Point numba, in this process and its children, at the folder of these sources.

    Does nothing in a process that inherited the setting, or where somebody else set
    ``NUMBA_CACHE_DIR``. Called by ``base.jit`` before it compiles anything.
    """
    inherited = os.environ.get(FOLDER_VARIABLE)
    if inherited:
        return Path(inherited)
    name, features = _processor()
    folder = (root or cache_root() / "kernels") / _folder_name(name, features)
    os.environ[FOLDER_VARIABLE] = os.environ[OWNER_VARIABLE] = str(folder)
    os.environ.setdefault(CPU_NAME_VARIABLE, name)
    os.environ.setdefault(CPU_FEATURES_VARIABLE, features)
    if folder.exists():
        os.utime(folder)
    else:
        _begin_folder(folder)
    if "numba" in sys.modules:
        # It read the environment when it was imported; nothing has been compiled yet.
        sys.modules["numba"].core.config.reload_config()
    return folder


def is_complete(folder: Path, *, for_start: bool = False) -> bool:
    """Whether the folder has every kernel of these sources, or those that services load at once."""
    return (folder / _COMPLETE).is_file() or (for_start and (folder / _START_COMPLETE).is_file())


def compile_all(
    progress: Progress = lambda _done, _total, _name: None, *, for_start: bool = False
) -> CompileReport:
    """Compile what the cache doesn't have, one process a core; says so after every module.

    With ``for_start`` only what the processes of a mesh load as they start.
    """
    folder = prepare_cache()
    modules = modules_at_start() if for_start else set(_sources())
    kernel_counts = {module: _kernel_count(_sources()[module]) for module in modules}
    counts = {module: count for module, count in kernel_counts.items() if count}
    total = sum(counts.values())
    if is_complete(folder, for_start=for_start):
        return CompileReport(folder, total, 0)
    with _sole_compiler(folder):
        # Whoever held the lock may have compiled everything meanwhile.
        if is_complete(folder, for_start=for_start):
            return CompileReport(folder, total, 0)
        compiled = done = 0
        progress(done, total, "")
        for module, missed in _compile_in_processes(set(counts)):
            compiled += missed
            done += counts[module]
            progress(done, total, module.removeprefix(f"{_PACKAGE}."))
        if not jit_is_disabled() and folder.is_dir():
            (folder / (_START_COMPLETE if for_start else _COMPLETE)).touch()
        return CompileReport(folder, total, compiled)


@contextmanager
def _sole_compiler(folder: Path) -> Iterator[None]:
    """Let one process at a time fill a folder: two would compile every kernel twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _compile_in_processes(modules: set[str]) -> Iterator[tuple[str, int]]:
    """Import modules in worker processes, each after those that it imports; yields what is done.

    Importing a module compiles its kernels, and those of what it imports unless they are in the
    cache already: the order keeps two workers from compiling the same.
    """
    imported = {module: _loaded_with(module) & modules - {module} for module in modules}
    # Modules that import each other wait for none of each other, but are never compiled together.
    mutual = {
        module: {other for other in imported[module] if module in imported[other]}
        for module in modules
    }
    needs = {module: imported[module] - mutual[module] for module in modules}
    ahead = _work_ahead(needs)
    waiting = sorted(modules, key=lambda module: -ahead[module])
    done: set[str] = set()
    begun: set[str] = set()
    running: dict[Future[int], tuple[str, _CompileWorker]] = {}
    idle = [_CompileWorker() for _ in range(min(os.cpu_count() or 1, len(modules)))]
    workers = list(idle)
    try:
        with ThreadPoolExecutor(len(workers)) as threads:
            while waiting or running:
                for module in list(waiting):
                    if idle and needs[module] <= done and not mutual[module] & (begun - done):
                        waiting.remove(module)
                        begun.add(module)
                        worker = idle.pop()
                        running[threads.submit(worker.compile, module)] = module, worker
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    module, worker = running.pop(future)
                    idle.append(worker)
                    done.add(module)
                    yield module, future.result()
    finally:
        for worker in workers:
            worker.close()


def _work_ahead(needs: Mapping[str, frozenset[str]]) -> dict[str, int]:
    """How much is to be done one after another from the start of each module, in arbitrary units.

    What has the longest way before it goes first: the largest program of all must not be what a
    single process is busy with at the end. A module's own share is guessed by its sources and those
    that it imports, since any of them may be compiled into its kernels.
    """
    sources = _sources()
    ahead: dict[str, int] = {}
    behind: Counter[str] = Counter()
    # Whoever needs a module also needs what that module needs, so has more needs than it.
    for module in sorted(needs, key=lambda module: -len(needs[module])):
        own = sum(len(_content(sources[name])) for name in _closure(module))
        ahead[module] = own + behind[module]
        for need in needs[module]:
            behind[need] = max(behind[need], ahead[module])
    return ahead


class _CompileWorker:
    """A process that imports the modules that it is told to."""

    def __init__(self) -> None:
        command = (
            "from tradecaptain.base.compile_cache import _serve_compilations as serve;"
            f"serve({os.getpid()})"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def compile(self, module: str) -> int:
        """Import a module there; returns how many kernels it had to compile."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{module}\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise CompilationError(f"{module} can't be compiled; the reason stands above")
        return int(answer)

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def _serve_compilations(parent: int) -> None:
    """Run in a worker: import each module named on standard input, answer with its misses.

    Whoever asked for a kernel is gone when its process is, and a kernel may take half a minute.
    """
    end_with_parent(parent, signal.SIGKILL)
    known = 0
    for line in sys.stdin:
        importlib.import_module(line.strip())
        missed = len(cache_misses())
        sys.stdout.write(f"{missed - known}\n")
        sys.stdout.flush()
        known = missed


def note_kernel(module: str, name: str) -> None:
    """Remember a kernel that was imported, for :func:`cache_misses`."""
    _KERNELS.append((module, name))


def cache_misses() -> list[str]:
    """Kernels that this process had to compile because the cache didn't have them."""
    missed = []
    for module, name in _KERNELS:
        found = getattr(sys.modules.get(module), name, None)
        compiled = getattr(found, "compiled", found)
        stats = getattr(compiled, "stats", None)
        # A function that is called by its address has no statistics, only a count of hits.
        hits = getattr(compiled, "cache_hits", None)
        if hits == 0 or (stats is not None and sum(stats.cache_misses.values())):
            missed.append(f"{module}.{name}")
    return missed


def _processor() -> tuple[str, str]:
    """The processor's name and features as LLVM knows them, with full-width vectors allowed."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    flags = features.flatten().split(",")
    if features.get("avx512f"):
        # LLVM prefers 256-bit vectors on some processors that run 512-bit ones at full speed.
        flags.append("-prefer-256-bit")
    return binding.get_host_cpu_name(), ",".join(flags)


def _folder_name(cpu_name: str, cpu_features: str) -> str:
    digest = hashlib.sha256()
    for module, path in _sources().items():
        digest.update(f"{module} {_content_hash(path)}\n".encode())
    for part in ("numba", "llvmlite", "numpy"):
        digest.update(importlib.metadata.version(part).encode())
    digest.update(f"{platform.python_version()} {cpu_name} {cpu_features}".encode())
    return digest.hexdigest()[:20]


@cache
def _content(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _content_hash(path: Path) -> str:
    return hashlib.sha256(_content(path).encode()).hexdigest()


@cache
def _sources() -> dict[str, Path]:
    """Modules whose code or constants may be compiled, with their files, by name."""
    package = importlib.import_module(_PACKAGE)
    found = {}
    for root in map(Path, package.__path__):
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[0] not in _NEVER_COMPILED and path != Path(__file__):
                dotted = [part for part in parts if part != "__init__"]
                found[".".join([_PACKAGE, *dotted])] = path
    return dict(sorted(found.items()))


def _kernel_count(path: Path) -> int:
    return len(_KERNEL_MARK.findall(_content(path)))


def _begin_folder(folder: Path) -> None:
    """Make the folder, with what folders before have of modules that didn't change."""
    manifest = {module: _closure_hash(module) for module in _sources()}
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    earlier = _earlier_folders(folder.parent)
    _take_over(earlier, scratch, manifest)
    (scratch / _MANIFEST).write_text(json.dumps(manifest))
    try:
        scratch.rename(folder)
    except OSError:
        # Another process made it first.
        shutil.rmtree(scratch, ignore_errors=True)
    newest_ns = folder.stat().st_mtime_ns
    for old in earlier[_KEPT_FOLDERS - 1 :]:
        if newest_ns - old.stat().st_mtime_ns > _KEPT_SECONDS * 1_000_000_000:
            shutil.rmtree(old, ignore_errors=True)


def _earlier_folders(parent: Path) -> list[Path]:
    folders = [path.parent for path in parent.glob(f"*/{_MANIFEST}")]
    visible = [path for path in folders if not path.name.startswith(".")]
    return sorted(visible, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _take_over(earlier: Sequence[Path], fresh: Path, manifest: Mapping[str, str]) -> None:
    """Link cached code of modules whose own and imported sources are as they were.

    The folder that shares most comes first; the newest may be of quite another version. What it
    lacks may be in the next one.
    """
    known = {folder: _modules_as_now(folder, manifest) for folder in earlier}
    taken: set[str] = set()
    for folder in sorted(earlier, key=lambda folder: -len(known[folder])):
        taken |= _link_entries(folder, fresh, known[folder] - taken)


def _modules_as_now(folder: Path, manifest: Mapping[str, str]) -> set[str]:
    try:
        before = json.loads((folder / _MANIFEST).read_text())
    except (OSError, json.JSONDecodeError):
        return set()
    return {module for module, digest in manifest.items() if before.get(module) == digest}


def _link_entries(folder: Path, fresh: Path, wanted: set[str]) -> set[str]:
    """Link the entries of some modules; returns those of which there were any.

    A module's entries are taken from one folder all together: its index names its other files.
    """
    found = set()
    for entry in folder.rglob("*.nb[ic]"):
        module = entry.parent.name
        if module in wanted:
            found.add(module)
            target = fresh / module / entry.name
            target.parent.mkdir(exist_ok=True)
            target.hardlink_to(entry)
    return found


@cache
def _closure(module: str) -> frozenset[str]:
    """A module and everything of ours that it imports, however indirectly."""
    sources = _sources()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in seen or current not in sources:
            continue
        seen.add(current)
        waiting.extend(_imports(sources[current]))
    return frozenset(seen)


def _loaded_with(module: str) -> frozenset[str]:
    """A module and everything of ours that importing it runs, the packages that hold it included.

    A package may import all that it holds: two processes that begin with two of its modules would
    compile all of them twice.
    """
    sources = _sources()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current and current not in seen:
            seen.add(current)
            waiting.append(current.rpartition(".")[0])
            waiting.extend(_imports(sources[current]) if current in sources else ())
    return frozenset(seen)


def _closure_hash(module: str) -> str:
    """Hash of a module's source and of everything of ours that it imports."""
    sources = _sources()
    lines = [f"{name} {_content_hash(sources[name])}" for name in sorted(_closure(module))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def modules_at_start() -> set[str]:
    """Modules that the processes of a mesh import as they start, their kernels among them.

    What a function imports is left out: that is loaded when it is asked for.
    """
    sources = _sources()
    roots = [module for module in sources if module.endswith(".__main__")]
    seen: set[str] = set()
    waiting = [*roots, f"{_PACKAGE}.mesh.driver"]
    while waiting:
        current = waiting.pop()
        if current in seen or current not in sources:
            continue
        seen.add(current)
        # A module's packages are imported before it.
        waiting.append(current.rpartition(".")[0])
        waiting.extend(_imported(ast.parse(_content(sources[current])), into_functions=False))
    return seen


@cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(_imported(ast.parse(_content(path)), into_functions=True))


def _imported(tree: ast.AST, *, into_functions: bool) -> Iterator[str]:
    """Names of ours that a piece of source imports, perhaps only those that running it imports."""
    for node in ast.iter_child_nodes(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.startswith(_PACKAGE))
        if into_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imported(node, into_functions=into_functions)
