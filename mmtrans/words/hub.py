"""Fetches the folder of a text encoder from a model hub, by the `huggingface_hub` library where it is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

#: What is fetched: never pickled weights, nor code.
_PATTERNS = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
]


def fetch(repository: str, revision: str | None = None) -> Path:
    """The folder of a model, from the library's cache where it is there, else from the hub.

    Args:
        repository: `owner/name`.
        revision: branch, tag or commit; the hub's main branch without it.

    Raises:
        FileNotFoundError: the library is not installed, the hub does not answer, or it has no such model.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise _not_fetched(repository, "no huggingface_hub", "Install it with `pip install 'mmtrans[hub]'`")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=_PATTERNS))
    except (LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        reason = f"no answer ({type(error).__name__})"
        raise _not_fetched(repository, reason, "Connect to the network") from error
    except (HfHubHTTPError, HFValidationError, KeyError, TypeError) as error:
        # The last two are answers that no hub gives.
        reason = f"{type(error).__name__} {str(error).splitlines()[0][:120]}"
        raise _not_fetched(repository, reason, "Check the name, and whether you may read it") from error


def _not_fetched(repository: str, received: str, remedy: str) -> FileNotFoundError:
    return FileNotFoundError(
        f"The text encoder cannot be fetched from the hub. Expected a folder, an installed package, or a model of the "
        f"hub. Received: {repository}, {received}. {remedy}, or give a folder that holds the encoder."
    )
