"""Checks the system libraries that pip cannot bring, before anything fails halfway."""

from __future__ import annotations

import ctypes.util
import platform
import shutil
import sys

# Shared libraries that weasyprint loads when it makes a PDF.
LIBRARIES = ("pango-1.0", "pangoft2-1.0")
# harfbuzz-subset may be missing: fonts are then cut more slowly.
DEBIAN = (
    "sudo apt-get update && "
    "sudo apt-get install -y libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)
COMMANDS = {
    "apt-get": DEBIAN,
    "dnf": "sudo dnf install -y pango",
    "pacman": "sudo pacman -S --noconfirm pango",
    "apk": "sudo apk add pango",
    "brew": "brew install pango",
}


def missing_libraries() -> list[str]:
    """Return the names of shared libraries that are not installed."""
    return [name for name in LIBRARIES if ctypes.util.find_library(name) is None]


def install_command() -> str:
    """Return the command that installs them with this machine's package manager."""
    for manager, command in COMMANDS.items():
        if shutil.which(manager):
            return command
    return DEBIAN


def problems() -> list[str]:
    """Return what keeps this machine from running tonnage, each with its remedy."""
    found = []
    if missing := missing_libraries():
        found.append(
            f"missing system libraries for PDF reports: {', '.join(missing)}\n"
            f"    install them with:  {install_command()}"
        )
    if platform.system() == "Windows":
        found.append("Windows is not supported; use WSL 2")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)
