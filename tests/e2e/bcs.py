"""The released command line of Batch Compute, `bcs`, unmodified, led to an emulator."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from yarl import URL

BCS = Path(sys.executable).parents[1] / "clients" / "bin" / "bcs"
HOOK = Path(__file__).parent / "bcs_hook"

# `ssl` of any value means "without TLS".
CONFIG = """[common]
region = cn-local
accesskeyid = tester
accesskeysecret = demo-secret
ssl = false
osspath = oss://bucket/cli/
defaultimage = img-ubuntu
defaulttype = ecs.sn1.medium
vpc_cidr_block = 192.168.0.0/16
"""


class Bcs:
    """`bcs` of somebody who is logged in, with a home of their own."""

    def __init__(self, url: str, home: Path) -> None:
        port = URL(url).port
        self.home = home
        (home / ".batchcompute").mkdir()
        (home / ".batchcompute" / "cliconfig").write_text(CONFIG)
        # Without DEBUG an error is one line and the exit code 0.
        clean = {"HOME": str(home), "DEBUG": "1", "TZ": "UTC", "PYTHONPATH": str(HOOK), "EMULATOR_PORT": str(port)}
        self._env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | clean

    def __call__(self, *arguments: str) -> str:
        """Run `bcs ARGUMENTS`; what it prints, without colours. It must succeed."""
        code, said = self.outcome(*arguments)
        assert code == 0, said
        return said

    def together(self, *commands: str) -> list[str]:
        """Run `bcs COMMAND` for each of them side by side, because it takes long to start; what each prints."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda command: self(*command.split()), commands))

    def refused(self, *arguments: str) -> str:
        """Run `bcs ARGUMENTS`, which must fail; the last line of its trace."""
        code, said = self.outcome(*arguments)
        assert code == 1, said
        return said.rstrip().rsplit("\n", 1)[-1]

    def outcome(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output of `bcs ARGUMENTS`."""
        assert BCS.exists(), f"{BCS} is missing: 'make test' installs it"
        done = subprocess.run(
            [BCS, *arguments], env=self._env, cwd=self.home, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, re.sub(r"\x1b\[[\d;]*m|\x1b\(B", "", done.stdout) + done.stderr
