"""dscompress, the command-line program, as a wheel: LibTorch and OpenVINO are those of the `torch` and `openvino` wheels."""
import os
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAM = FOLDER / "bin/dscompress"
SHARED = FOLDER / "share/dscompress"  # scripts and recipes, laid out as in the repository


def main():
    # In place of this process: the program gets the signals, the exit status and the terminal, and no Python stays.
    os.execv(PROGRAM, [str(PROGRAM), *sys.argv[1:]])


def export():
    """`dscompress-export`: scripts/export_model.py."""
    runpy.run_path(str(SHARED / "scripts/export_model.py"), run_name="__main__")


def quickstart():
    """`dscompress-quickstart [FOLDER] [arguments of dscompress run]`: what scripts/quickstart does after building."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "quickstart").resolve()
    recipe = folder / "configs/quickstart.yaml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text((SHARED / "configs/quickstart.yaml").read_text())
    arguments = ["run", str(recipe), "--output-dir", str(folder / "out"), *sys.argv[2:]]
    sys.argv = ["quickstart_model.py", str(folder / "runs/quickstart.pt2")]
    runpy.run_path(str(SHARED / "scripts/quickstart_model.py"), run_name="__main__")
    os.execv(PROGRAM, [str(PROGRAM), *arguments])
