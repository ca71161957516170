"""Make a wheel of this checkout in dist/: for this machine's Python, with what scripts/compile.py made of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig

from scripts.compile import ROOT, libraries

PIP = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")


def main() -> int:
    """Make it, and say where it is."""
    folder = ROOT / "dist"
    for earlier in (folder, ROOT / "build"):  # or there would be two wheels, or this one held what the last did
        shutil.rmtree(earlier, ignore_errors=True)
    asked = [*PIP, "--wheel-dir", str(folder), f"--config-settings=--build-option={tags()}", str(ROOT)]
    if code := subprocess.run(asked, check=False).returncode:
        return code
    print(*(path.relative_to(ROOT) for path in folder.iterdir()))
    return 0


def tags() -> str:
    """Return setuptools' words for what the wheel runs on; none where nothing is compiled, which runs anywhere."""
    if not any(libraries()):
        return ""
    machine = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    return f"--python-tag=cp{sys.version_info.major}{sys.version_info.minor} --plat-name={machine}"


if __name__ == "__main__":
    sys.exit(main())
