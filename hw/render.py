"""Draws hw/wiring/*.yml as SVG beside them: `python hw/render.py`; `--check` says what is stale.

WireViz draws, Graphviz places; neither gives the same bytes everywhere, so each drawing carries the
SHA-256 of its YAML, and that is compared. Truth: hw/README.md, "Wiring".
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

WIRING = Path(__file__).parent / "wiring"
MARK = "<!-- sha256 of the YAML: {} -->"


def digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def is_current(source: Path) -> bool:
    """Return whether the drawing beside a YAML is of this YAML."""
    drawing = source.with_suffix(".svg")
    return drawing.is_file() and MARK.format(digest(source)) in drawing.read_text()


def wireviz() -> str:
    """Return the path of WireViz: beside this Python, or any that is installed."""
    beside = Path(sys.executable).with_name("wireviz")
    found = str(beside) if beside.exists() else shutil.which("wireviz")
    if found is None or shutil.which("dot") is None:
        sys.exit("wireviz or dot is missing: pip install 'wireviz>=0.4', apt install graphviz")
    return found


def draw(source: Path, program: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [program, "-f", "s", "-o", directory, str(source)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        lines = (Path(directory) / source.with_suffix(".svg").name).read_text().splitlines()
    lines.insert(1, MARK.format(digest(source)))
    source.with_suffix(".svg").write_text("\n".join(line.rstrip() for line in lines) + "\n")


def main() -> None:
    stale = [path for path in sorted(WIRING.glob("*.yml")) if not is_current(path)]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path}: its drawing is of another version: make hw")
        sys.exit(len(stale) > 0)
    program = wireviz() if stale else ""
    for path in stale:
        draw(path, program)
        print(path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
