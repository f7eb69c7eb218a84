"""`python -m tagsmith`: the program itself."""

import os
import sys
import sysconfig
from pathlib import Path

from ._tagsmith import run_command_line


def program() -> "Path | None":
    """Returns the native program that was installed beside this module."""
    name = "tagsmith.exe" if os.name == "nt" else "tagsmith"
    user = sysconfig.get_path("scripts", f"{os.name}_user")
    paths = (Path(folder) / name for folder in (sysconfig.get_path("scripts"), Path(sys.executable).parent, user))
    return next((path for path in paths if path.is_file()), None)


def main() -> None:
    native = program()
    if native is not None and os.name != "nt":
        os.execv(native, ["tagsmith", *sys.argv[1:]])
    sys.exit(run_command_line(["tagsmith", *sys.argv[1:]]))


main()
