"""`python -m tools.inspect_records RECORDS [--verify]`: the same as `mmtrans inspect`."""

import sys

from mmtrans.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["inspect", *sys.argv[1:]]))
