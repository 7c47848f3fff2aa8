"""`python -m tools.convert_mosi SOURCE RECORDS [options]`: the same as `mmtrans convert`."""

import sys

from mmtrans.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
