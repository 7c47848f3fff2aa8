"""What is in a source, looked at once; the formats recognise their own by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np

from mmtrans.sources.listing import find_hdf5_files, find_pickles, is_hdf5, is_pickle, only_pickle
from mmtrans.system.user_files import what_is

#: Names of pickles by fold.
_FOLDS = ("train", "dev", "valid", "val", "test")


@dataclass(frozen=True)
class Seen:
    """A file or folder as it was found.

    Attributes:
        path: the file or folder.
        roots: HDF5 file, nested ones too → what lies at its root: name → type and shape of a dataset, or `None` for
            what is no dataset.
        pickles: the pickle files; those of a folder lie in the folder itself.
        content: the content of the one pickle, where only that can tell; else `None`.
    """

    path: Path
    roots: Mapping[Path, Mapping[str, str | None]] = field(default_factory=dict)
    pickles: tuple[Path, ...] = ()
    content: object = None

    @property
    def by_fold(self) -> bool:
        """Whether it is a folder with pickles that are named by fold."""
        return self.path.is_dir() and any(file.stem in _FOLDS for file in self.pickles)

    @property
    def needs_content(self) -> bool:
        """Whether there are pickles whose names tell nothing."""
        return bool(self.pickles) and not self.by_fold

    def unpickled(self) -> Seen:
        """With the content of the one pickle.

        Raises:
            ValueError: there are several pickles, or a damaged one.
        """
        # Imported when needed: other files do without.
        from mmtrans.sources.untrusted.unpickle import load_pickle

        return replace(self, content=load_pickle(only_pickle(self.path)))

    def describe(self) -> str:
        """Says what was seen, where no format is known."""
        if self.needs_content:
            return describe_content(self.content)
        if len(self.roots) == 1:
            (root,) = self.roots.values()
            datasets = [f"{name} {shape}" if shape else name for name, shape in list(root.items())[:6]]
            return f"a file with {', '.join(datasets) or 'nothing'} at its root"
        return _describe_path(self.path)


def look(path: Path) -> Seen:
    """Looks at an existing file or folder; HDF5 files are opened in a child process, which they may kill.

    Raises:
        ValueError: a damaged HDF5 file, or a file that is no regular one.
    """
    if path.is_dir():
        return Seen(path, _roots(path, find_hdf5_files(path)), tuple(find_pickles(path)))
    if is_hdf5(path):
        return Seen(path, _roots(path, [path]))
    return Seen(path, pickles=(path,) if is_pickle(path) else ())


def _roots(path: Path, files: list[Path]) -> dict[Path, dict[str, str | None]]:
    if not files:
        return {}
    # Imported when needed: other files do without.
    from mmtrans.sources.untrusted.parent import call_isolated
    from mmtrans.sources.untrusted.roots import look_at_roots

    answer = call_isolated(look_at_roots, path, {"files": [str(file) for file in files]})
    found = cast("list[list[tuple[str, str | None]]]", answer)
    return {file: dict(root) for file, root in zip(files, found, strict=True)}


def describe_content(content: object, *, depth: int = 2) -> str:
    """Says what an unpickled object is: type, shape, and the keys of mappings down to `depth` levels."""
    if isinstance(content, np.ndarray):
        return f"{content.dtype}{content.shape}"
    if isinstance(content, Mapping):
        inside = [
            f"{key!r:.30}" + (f": {describe_content(value, depth=depth - 1)}" if depth else "")
            for key, value in list(content.items())[:6]
        ]
        return "{" + ", ".join(inside) + (f" and {len(content) - 6} more" if len(content) > 6 else "") + "}"
    size = f" of {len(content)}" if isinstance(content, (list, tuple, set, frozenset, str, bytes)) else ""
    return type(content).__name__ + size


def _describe_path(path: Path) -> str:
    if not path.is_dir():
        kind = what_is(path)
        if kind is not None:
            return f"{kind.name}. {kind.remedy}"
        with path.open("rb") as file:
            return f"a file that starts with {file.read(8)!r}"
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return "an empty folder"
    return f"a folder with {', '.join(names[:5])}" + (f" and {len(names) - 5} more" if len(names) > 5 else "")
