"""House rules that no linter knows: sizes, seams, forbidden words, names in the documentation.

Prints one line for each broken rule and exits 1 if there is any. `EXEMPTIONS` tolerates what is
known, each with a reason and a day on which the exemption ends.
"""

import ast
import datetime
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "services/tradecaptain/"

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
KERNEL_ARGUMENTS_MAX = 8
GENERATED = ("gen/", "third_party/", "uv.lock", "docs/errors.md")

# Words that tell of a toy, a secret way out, or how the code came about.
FORBIDDEN_WORDS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|chatgpt|copilot|as an ai|language model)\b", re.IGNORECASE
)
# Paths of one machine and hosts of registries have no place in a repository.
FORBIDDEN_PATHS = re.compile(r"(?<![\w./-])/(?:work|root|home/\w+)/|pypi\.org|registry\.npmjs")
FORBIDDEN_BIND = re.compile(r"0\.0\.0\.0|\[::\]")

# The one seam for time, and who else may look at a clock: processes are waited for in real time.
CLOCK_SEAM = ("base/clock.py", "base/kernel_clock.py", "base/system_calls.py")
CLOCK_NAMES = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
CLOCK_NAMES |= {"sleep", "clock_gettime", "clock_gettime_ns"}
RANDOM_MODULES = {"secrets", "uuid"}
# Secrets, and ids that must differ from process to process.
RANDOM_SEAM = ("client/", "edge/tokens.py", "gateway/control_desk.py")
CFFI_SEAM = ("mesh/",)
GRPC_FOLDERS = ("edge/", "client/", "cli/", "launch/health.py")
GRPC_FILES = re.compile(r"(service|servicer|__main__|views?|streams?|session\w*|\w+_service)\.py$")
SERVICES = ("collector", "orderbook", "pricing", "risk", "gateway")


@dataclass(frozen=True)
class Exemption:
    """A broken rule that is tolerated until a day."""

    path: str
    rule: str
    reason: str
    until: datetime.date


EXEMPTIONS: tuple[Exemption, ...] = ()


@dataclass(frozen=True)
class Problem:
    """One broken rule at one place."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


def tracked_files() -> list[str]:
    """Every file that git knows or would add, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in sorted(set(listed.splitlines())) if (ROOT / name).is_file()]


def check_text(path: str, text: str) -> Iterator[Problem]:
    """Rules for any text file that people wrote."""
    lines = text.splitlines()
    if path.endswith((".py", ".sh", ".proto", ".capnp", ".fbs")) and len(lines) > FILE_LINES_MAX:
        message = f"{len(lines)} lines; a file has at most {FILE_LINES_MAX}"
        yield Problem(path, len(lines), "file-size", message)
    if path == "tools/tidy.py":
        return
    for number, line in enumerate(lines, 1):
        if word := FORBIDDEN_WORDS.search(line):
            yield Problem(path, number, "words", f"says {word[0]!r}")
        if place := FORBIDDEN_PATHS.search(line):
            yield Problem(path, number, "paths", f"names {place[0]!r}")
        if path.startswith(PACKAGE) and (bind := FORBIDDEN_BIND.search(line)):
            yield Problem(path, number, "loopback", f"{bind[0]} listens beyond the loopback")


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str, list[str]]]:
    """Line, module and names of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, []
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "", [alias.name for alias in node.names]


def check_seams(path: str, tree: ast.AST) -> Iterator[Problem]:
    """In the package: clocks, random numbers, cffi and gRPC only where they belong."""
    inside = path.removeprefix(PACKAGE)
    for line, module, _names in imported_modules(tree):
        top = module.split(".")[0]
        if top in RANDOM_MODULES and not inside.startswith(RANDOM_SEAM):
            yield Problem(path, line, "randomness", f"imports {top}; take a seed instead")
        if top == "cffi" and not inside.startswith(CFFI_SEAM):
            yield Problem(path, line, "cffi", "only the mesh speaks to C through cffi")
        is_edge = inside.startswith(GRPC_FOLDERS) or GRPC_FILES.search(inside)
        if top == "grpc" and not is_edge:
            yield Problem(path, line, "grpc", "only the edges of services import grpc")
        if top == "time" and inside not in CLOCK_SEAM:
            yield Problem(path, line, "clock", "only base/clock.py reads clocks; take a Clock")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or inside in CLOCK_SEAM:
            continue
        called = ast.unparse(node.func)
        is_seeded = called == "random.Random" and node.args
        if re.fullmatch(r"random\.\w+", called) and not is_seeded:
            yield Problem(
                path, node.lineno, "randomness", f"{called}() has no seed; use Random(seed)"
            )
        if re.fullmatch(r"(datetime\.)?(datetime|date)\.(now|utcnow|today)", called):
            yield Problem(path, node.lineno, "clock", f"{called}() reads a clock; take a Clock")


def check_functions(path: str, tree: ast.AST) -> Iterator[Problem]:
    """Functions are short, and kernels take few arguments."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES_MAX:
            message = f"{node.name} has {length} lines; a function has at most {FUNCTION_LINES_MAX}"
            yield Problem(path, node.lineno, "function-size", message)
        decorators = {ast.unparse(item).split("(")[0] for item in node.decorator_list}
        arguments = len(node.args.posonlyargs) + len(node.args.args)
        is_kernel = bool(decorators & {"kernel", "jit.kernel"})
        if is_kernel and arguments > KERNEL_ARGUMENTS_MAX:
            message = (
                f"{node.name} takes {arguments}; a kernel takes at most {KERNEL_ARGUMENTS_MAX}"
            )
            yield Problem(path, node.lineno, "kernel-arguments", message)


def check_tests(path: str, tree: ast.AST) -> Iterator[Problem]:
    """Twins know nothing of kernels; tests wait through the one helper."""
    for line, module, names in imported_modules(tree):
        if path.startswith("tests/twins/") and module.startswith("tradecaptain"):
            allowed = module.startswith(("tradecaptain.wire", "tradecaptain.api"))
            if not allowed and not (module == "tradecaptain" and set(names) <= {"wire", "api"}):
                yield Problem(path, line, "twin", f"a twin imports nothing of ours, not {module}")
    if path in ("tests/support/wait.py",):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep"):
            yield Problem(path, node.lineno, "sleep", "wait for a condition with support.wait")


def documented_names(text: str) -> Iterator[tuple[int, str]]:
    """Every ``code`` name in a document that looks like a path of this repository."""
    pattern = re.compile(r"`([\w.-]+/[\w./-]*[\w-]|[\w-]+\.(?:py|toml|proto|capnp|fbs|md))`")
    for number, line in enumerate(text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, match[1]


def check_document(path: str, text: str, files: list[str]) -> Iterator[Problem]:
    """What a document names in the tree exists there, and links lead somewhere."""
    folders = {str(parent) for name in files for parent in Path(name).parents}
    tops = {name.split("/")[0] for name in files}
    parts = {name.removeprefix(PACKAGE).split("/")[0] for name in files if name.startswith(PACKAGE)}
    for number, name in documented_names(text):
        top = name.split("/")[0]
        # Documents may leave out the package's folder: `orderbook/agent.py`.
        places = [name] if top in tops else [PACKAGE + name] if top in parts else []
        if places and not any(place in files or place in folders for place in places):
            yield Problem(path, number, "docs", f"names {name}, and there is none")
    for number, line in enumerate(text.splitlines(), 1):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
            target = (ROOT / path).parent / link
            if not target.exists():
                yield Problem(path, number, "docs", f"links to {link}, and there is none")
        for module in re.findall(r"`(tradecaptain(?:\.\w+)+)`", line):
            if not module_exists(module):
                yield Problem(path, number, "docs", f"names {module}, and there is none")


def module_exists(dotted: str) -> bool:
    """Whether a dotted name is a module or package of ours, or something defined in one."""
    for root in ("services", "gen/python"):
        place = ROOT / root / dotted.replace(".", "/")
        if place.is_dir() or place.with_suffix(".py").exists():
            return True
        owner = place.parent
        defined = re.compile(rf"^(?:def|class|async def) {place.name}\b|^{place.name}\b.*=", re.M)
        for module in (owner.with_suffix(".py"), owner / "__init__.py"):
            if module.exists() and defined.search(module.read_text()):
                return True
    return False


def check_dependencies() -> Iterator[Problem]:
    """Every dependency has its line of reason in docs/dependencies.md."""
    document = ROOT / "docs/dependencies.md"
    reasons = document.read_text() if document.exists() else ""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    for requirement in wanted:
        name = re.split(r"[=><~!\[; ]", requirement)[0]
        if f"`{name}`" not in reasons:
            message = f"docs/dependencies.md gives no reason for {name}"
            yield Problem("pyproject.toml", 1, "dependencies", message)


def problems() -> Iterator[Problem]:
    """Everything that is wrong, exempt or not."""
    files = tracked_files()
    for path in files:
        if path.startswith(GENERATED):
            continue
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        yield from check_text(path, text)
        if path.endswith(".md"):
            yield from check_document(path, text, files)
        if not path.endswith(".py"):
            continue
        tree = ast.parse(text, path)
        yield from check_functions(path, tree)
        if path.startswith(PACKAGE):
            yield from check_seams(path, tree)
        if path.startswith("tests/"):
            yield from check_tests(path, tree)
    yield from check_dependencies()


def judge(
    found: list[Problem], exemptions: tuple[Exemption, ...], today: datetime.date
) -> list[str]:
    """What to complain about: unexempted problems, expired and useless exemptions."""
    complaints = []
    for problem in found:
        if not any(item.path == problem.path and item.rule == problem.rule for item in exemptions):
            complaints.append(str(problem))
    for item in exemptions:
        if today > item.until:
            complaints.append(f"{item.path}: exemption from [{item.rule}] ended on {item.until}")
        if not any(item.path == problem.path and item.rule == problem.rule for problem in found):
            complaints.append(f"{item.path}: exemption from [{item.rule}] isn't needed any more")
    return complaints


def main() -> int:
    """Print every complaint; the exit status tells whether there was any."""
    complaints = judge(list(problems()), EXEMPTIONS, datetime.date.today())
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
