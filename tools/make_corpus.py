"""`python -m tools.make_corpus DIR [options]`: the same as `mmtrans synthesize`."""

import sys

from mmtrans.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["synthesize", *sys.argv[1:]]))
