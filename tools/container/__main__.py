"""`python -m tools.container`: does the lines of the Dockerfile in a chroot, where no engine builds the image.

The chroot is a minimal Debian, from the mirror of this machine or else Debian's own. The image's command runs in it,
and then TensorBoard, which must name the run. The chroot is removed at the end, also after a failure and after Ctrl-C.
It needs root, debootstrap, and 4 GB below `TMPDIR`.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmtrans.system.interrupts import Terminated, handled
from tools.container.build import Build
from tools.container.chroot import Chroot, check_able, stop
from tools.container.dockerfile import read_dockerfile

ROOT = Path(__file__).resolve().parents[2]

#: How long TensorBoard may take until it names the run.
_TENSORBOARD_SECONDS = 300


def try_container(context: Path, root: Path, arguments: Sequence[str] = ()) -> dict[str, Any]:
    """Does a Dockerfile and its command in a chroot.

    Args:
        context: The folder of the Dockerfile.
        root: Where the chroot is made.
        arguments: What is added to the command.

    Returns:
        For each step its seconds, in order, and the disk space of the chroot before the command ran, in MiB. A step is
        an instruction, the command, or TensorBoard.

    Raises:
        ValueError: Something failed, or TensorBoard does not name a run.
    """
    steps: list[dict[str, Any]] = []

    def timed(name, step):
        print(f"==> {name}", flush=True)
        start = time.monotonic()
        result = step()
        steps.append({"step": name, "seconds": round(time.monotonic() - start, 1)})
        return result

    build = Build(context, Chroot(root), os.environ)
    for each in read_dockerfile((context / "Dockerfile").read_text(encoding="utf-8")):
        timed(f"{each.keyword} {each.text}", lambda each=each: build.do(each))
    size = build.chroot.size_mib()
    command = [*build.command, *arguments]
    timed(" ".join(command), lambda: build.chroot.run(command, build.settings(), build.place, build.user))
    runs = timed("tensorboard --logdir runs", lambda: runs_of_tensorboard(build))
    return {"steps": steps, "seconds": round(sum(each["seconds"] for each in steps)), "size_mib": size, "runs": runs}


def runs_of_tensorboard(build: Build) -> list[str]:
    """The names of the runs that TensorBoard tells on the loopback.

    Raises:
        ValueError: It ends, or names none in time.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["tensorboard", "--logdir", "runs", "--host", "127.0.0.1", "--port", str(port)]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    process = build.chroot.start(command, build.settings(), build.place, build.user)
    try:
        end, names = time.monotonic() + _TENSORBOARD_SECONDS, []
        while not names and process.poll() is None and time.monotonic() < end:
            time.sleep(0.5)
            try:
                with opener.open(f"http://127.0.0.1:{port}/data/runs", timeout=10) as answer:
                    names = json.load(answer)
            except (urllib.error.URLError, TimeoutError):
                # It is not up yet.
                continue
        if not names:
            raise ValueError(
                f"TensorBoard names no run. Expected one within {_TENSORBOARD_SECONDS} seconds. "
                f"Received: exit_code={process.poll()}. Its output is above."
            )
        return names
    finally:
        stop(process)


def main(arguments: Sequence[str] | None = None) -> int:
    """Tries the Dockerfile of this checkout; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.container", description="Does the lines of the Dockerfile in a chroot of Debian."
    )
    parser.add_argument("arguments", nargs="*", help="what is added to the image's command, after --")
    parser.add_argument("--save", metavar="FILE", type=Path, help="keep the figures, with commit, date and machine")
    options = parser.parse_args(arguments)
    try:
        with handled(), tempfile.TemporaryDirectory(prefix="mmtrans-") as folder:
            check_able()
            results = try_container(ROOT, Path(folder) / "root", options.arguments)
    except ValueError as error:
        print(f"mmtrans: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print("mmtrans: Stopped. The chroot is removed.", file=sys.stderr)
        return 143 if isinstance(interrupt, Terminated) else 130
    print(json.dumps(results, indent=1))
    if options.save:
        from tools.figures.provenance import command_of, provenance

        content = {**provenance(command_of("tools.container", arguments)), **results}
        options.save.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
