"""`python -m tools.reference`: writes the pages of `docs/reference` anew."""

import argparse
import sys

from tools.reference.pages import write_pages

if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m tools.reference", description="Writes docs/reference.").parse_args()
    write_pages()
    sys.exit(0)
