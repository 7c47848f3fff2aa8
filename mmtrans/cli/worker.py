"""`python -m mmtrans.cli.worker COMMAND …`: a command as a child of `launcher`; it ends when its parent does.

Stdin is a pipe that the parent never writes to, and holds open as long as it lives.
"""

from __future__ import annotations

import os
import sys
import threading

from mmtrans.cli.main import main


def end_with_parent() -> None:
    """Ends this process at the end of stdin: a worker that nobody started again must not go on writing."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.exit(main())
