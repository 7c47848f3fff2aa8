"""The configuration of a run: one frozen dataclass from which the command line and YAML files are made."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import os
import re
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mmtrans.bounds import MOST_REAL, check_number
from mmtrans.recipe import Translation, parse
from mmtrans.system.user_files import read_text
from tfrecords.stored import shown

BOTH = ("translation", "sentiment")

#: The most of any size of a model: beyond it no machine holds the weights.
MOST_SIZE = 1_000_000


def option(
    default: Any,
    text: str,
    phases: tuple[str, ...] = BOTH,
    *,
    low: float | None = None,
    high: float | None = None,
    most: float | None = None,
):
    """A configuration field: its help text, the kinds of phases that read it, and its bounds as of `check_number`."""
    bounds = {"low": low, "high": high, "most": most}
    return dataclasses.field(default=default, metadata={"help": text, "phases": phases, **bounds})


#: Fields that a run may change when it is started again: upwards.
GROWING = ("epochs",)

#: Fields that encoders read, hence no baseline, though a regressor's phase depends on them.
ENCODER = ("units", "num_layers", "dropout")

#: What runs learn that are made now; `environment.json` keeps it as `run_format`. Runs without it are of format 1, in
#: which the distance bias counts steps of targets that have others than their source, and where a latent of the final
#: state alone passes (`bottleneck=vae`, `attention=none`), what reads the encoder reads its output at each step.
RUN_FORMAT = 2

TRANSLATION, SENTIMENT, JOINT = ("translation",), ("sentiment",), ("joint",)


@dataclass(frozen=True)
class Config:
    """Everything that decides what a run learns, apart from the records.

    The field metadata holds the help text, and which phases read the field: a phase's key hashes only those.

    Raises:
        ValueError: a value of the wrong type or out of its range; the message names field, bounds and value.
    """

    recipe: str = option("T->A", "what to train: T, concat(T,V), T->A, embed(T,A)->V, …", ())
    seed: int = option(0, "seed of initial weights, dropout and the order of segments", low=0, high=2**31 - 1)
    target: Literal["features", "tokens"] = option(
        "features", "what the decoder writes: standardised vectors, or words and codewords", TRANSLATION
    )

    cell: Literal["lstm", "gru"] = option("lstm", "recurrent cell of encoder, decoder and regressor")
    units: int = option(64, "units of the encoder, each direction", low=1, most=MOST_SIZE)
    num_layers: int = option(1, "stacked layers of the encoder", low=1, most=MOST_SIZE)
    bidirectional: bool = option(True, "read sources in both directions")
    attention: Literal["bahdanau", "none"] = option("bahdanau", "attention of the decoder", TRANSLATION)
    attention_units: int = option(64, "units inside the attention's tanh", TRANSLATION, low=1, most=MOST_SIZE)
    max_distance: int = option(
        16,
        "reach of the learned attention bias by step distance; 0 for content alone",
        TRANSLATION,
        low=0,
        most=MOST_SIZE,
    )
    decoder_units: int = option(128, "units of the decoder", TRANSLATION, low=1, most=MOST_SIZE)
    dropout: float = option(0.3, "dropout on the input of every recurrent layer", low=0.0, high=0.95)
    feature_sampling: float = option(
        1.0,
        "share of previous frames that are the decoder's own at the end of training",
        TRANSLATION,
        low=0.0,
        high=1.0,
    )
    translation_loss: Literal["mse", "mae", "huber", "cosine"] = option("mse", "loss of a features target", TRANSLATION)
    cycle_weight: float = option(
        0.0, "weight of translating the decoded target back into the source's features", TRANSLATION, low=0.0
    )

    bottleneck: Literal["none", "vae"] = option(
        "none", "what passes from encoder to decoder and regressor: its output, or a Gaussian latent", TRANSLATION
    )
    latent_units: int = option(
        64, "units of the latent, at each step and of the final state", TRANSLATION, low=1, most=MOST_SIZE
    )
    kl_weight: float = option(
        0.1, "weight of the latent's divergence from its prior; 1 for the bound", TRANSLATION, low=0.0
    )
    kl_annealing_steps: int = option(200, "steps in which that weight rises from nothing", TRANSLATION, low=1)
    free_bits: float = option(
        0.0, "nats of divergence of each latent unit, a mean over vectors, that cost nothing", TRANSLATION, low=0.0
    )

    untrained: bool = option(False, "control: leave the translation's encoder as it was initialised", TRANSLATION)
    stop: bool = option(False, "learn when a features target ends, for `translate --length free`", TRANSLATION)
    codebook_size: int = option(
        256, "most codewords of a tokens target without words", TRANSLATION, low=2, most=MOST_SIZE
    )
    min_count: int = option(2, "least occurrences in train of a word that is a token", TRANSLATION, low=1)
    embedding_units: int = option(64, "units of the decoder's token vectors", TRANSLATION, low=1, most=MOST_SIZE)
    tie_weights: bool = option(False, "use the token vectors as the softmax' weights too", TRANSLATION)
    label_smoothing: float = option(
        0.0, "share of a token target spread over all tokens", TRANSLATION, low=0.0, high=0.9
    )
    token_sampling: float = option(
        0.0,
        "share of previous tokens that are the decoder's own at the end of training",
        TRANSLATION,
        low=0.0,
        high=1.0,
    )
    sampling_steps: int = option(
        100, "steps in which those shares rise from nothing (scheduled sampling)", TRANSLATION, low=1
    )

    representation: Literal["sequence", "final"] = option(
        "sequence",
        "what the regressor reads of a translation: the encoder's output sequence or its final state",
        SENTIMENT,
    )
    regressor_units: int = option(64, "units of the regressor, each direction", SENTIMENT, low=1, most=MOST_SIZE)
    pooling: Literal["attention", "last"] = option("attention", "how the regressor summarises its steps", SENTIMENT)
    regressor_dropout: float = option(
        0.3, "dropout around the regressor's recurrent layer", SENTIMENT, low=0.0, high=0.95
    )
    label_fraction: float = option(
        1.0, "share of the train labels that the sentiment phase sees", SENTIMENT, low=0.01, high=1.0
    )
    sentiment_loss: Literal["mae", "mse", "huber"] = option("mae", "loss of the sentiment phase", SENTIMENT)
    finetune: bool = option(False, "let the encoder move in the sentiment phase", SENTIMENT)

    objective: Literal["sequential", "joint"] = option(
        "sequential", "train sentiment after the last translation, or together with it, end to end", ()
    )
    translation_weight: float = option(1.0, "weight of the translation in the joint loss", JOINT, low=0.0)
    sentiment_weight: float = option(1.0, "weight of the sentiment in the joint loss", JOINT, low=0.0)
    joint_warmup_steps: int = option(0, "steps in which that weight of the sentiment rises from nothing", JOINT, low=0)
    init: str = option("", "finished run whose trained translations, or their encoders, this one starts from", ())
    freeze: Literal["none", "encoder"] = option(
        "none", "what of the --init run does not move in the translation phase", TRANSLATION
    )
    pretrain: bool = option(False, "train the translations only, as for --init; needs no labels", ())

    epochs: int = option(60, "most epochs of each phase", (), low=1)
    patience: int = option(8, "epochs without a better valid loss before a phase stops", low=1)
    batch_size: int = option(32, "segments in a global batch", low=1)
    learning_rate: float = option(2e-3, "learning rate of Adam", low=1e-8, high=1.0)
    schedule: Literal["constant", "exponential"] = option("exponential", "learning rate over the steps")
    decay_epochs: float = option(10.0, "epochs in which the exponential schedule halves", low=0.1)
    warmup_steps: int = option(0, "steps of linear warm-up", low=0)
    clip_norm: float = option(1.0, "largest global norm of the gradient", low=1e-6)
    ema: float = option(
        0.0,
        "decay of the moving average of the weights that is validated and kept; 0 for none",
        low=0.0,
        high=0.99999,
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        object.__setattr__(self, "recipe", str(parse(self.recipe)))
        object.__setattr__(self, "init", spelled(self.init))

    def to_dict(self) -> dict[str, Any]:
        """Field name → value, in the order of declaration."""
        return dataclasses.asdict(self)

    def read_by(self, phase_kind: str) -> dict[str, Any]:
        """The fields that a phase of this kind reads (`seed` and `recipe` apart: its key holds them by name)."""
        kinds = {phase_kind, *BOTH} if phase_kind == "joint" else {phase_kind}
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if kinds & set(field.metadata["phases"]) and field.name != "seed"
        }

    def digest(self, manifest_hash: str = "") -> str:
        """Eight hexadecimal digits that name this configuration on these records, whatever `GROWING` fields are."""
        fields = {name: value for name, value in self.to_dict().items() if name not in GROWING}
        fields["init"] = os.path.relpath(self.init) if self.init else ""
        return digest([fields, manifest_hash])[:8]


def read_fields(config: Config) -> set[str]:
    """The fields that have an effect on what a configuration's recipe learns."""
    translates = isinstance(parse(config.recipe), Translation)
    is_joint = translates and config.objective == "joint"
    kinds = {"sentiment", *(["translation"] * translates), *(["joint"] * is_joint)}
    names = {field.name for field in dataclasses.fields(Config) if kinds & set(field.metadata["phases"])}
    if not translates:
        names -= {*ENCODER, "representation", "finetune"}
    if is_joint:
        names -= {"untrained", "finetune"}
    if config.attention == "none":
        names -= {"attention_units", "max_distance"}
    if config.bottleneck == "none":
        names -= {"latent_units", "kl_weight", "kl_annealing_steps", "free_bits"}
    return names


def digest(value: Any) -> str:
    """sha256 of a JSON-serialisable value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@functools.cache
def _types() -> dict[str, Any]:
    return typing.get_type_hints(Config)


def type_of(field: dataclasses.Field) -> Any:
    """The evaluated type of a configuration field: `int`, `float`, `bool`, `str` or a `Literal`."""
    return _types()[field.name]


def _checked(field: dataclasses.Field, value: Any) -> Any:
    kind = type_of(field)
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value not in choices:
            raise ValueError(
                f"Unknown {field.name}. Expected one of {list(choices)}. Received: {field.name}={shown(value)}. "
                f"Choose one of these."
            )
        return value
    if kind is float and type(value) is int:
        value = float(value) if abs(value) <= MOST_REAL else math.inf if value > 0 else -math.inf
    if type(value) is not kind:
        raise ValueError(
            f"Wrong type. Expected {kind.__name__}. Received: {field.name}={shown(value)}. Give a value of that type."
        )
    if kind in (int, float):
        check_number(field.name, value, **{bound: field.metadata[bound] for bound in ("low", "high", "most")})
    return value


def spelled(path: str) -> str:
    """One spelling of `P`, `./P` and `P/`; an empty path stays empty."""
    return str(Path(path)) if path else ""


def same_place(path: str, other: str) -> bool:
    """Whether two paths, however they are spelled, are of the same file or directory; empty is a place of its own."""
    return path == other or bool(path and other and os.path.realpath(path) == os.path.realpath(other))


def number(value: Any) -> Any:
    """A YAML value, as a number where it is one that YAML 1.1 reads as text: 1e-3, without a dot."""
    return float(value) if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value) else value


#: What the YAML library raises on a file that is none, besides its own errors: it leaves some to Python.
_YAML_DAMAGE = (ValueError, RecursionError, LookupError, TypeError, AttributeError, ArithmeticError)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Configuration fields of a YAML file, ready for `Config(**fields)`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a YAML mapping, or names that are no fields (listed, sorted).
    """
    return known_fields(read_yaml(path, "configuration", "config"), str(path))


def known_fields(fields: dict[Any, Any], where: str) -> dict[str, Any]:
    """Fields as YAML reads them, ready for `Config(**fields)`.

    Args:
        fields: name → value.
        where: they are from, for the message.

    Raises:
        ValueError: names that are no fields (listed, sorted), or a value that its field does not take.
    """
    known = {field.name for field in dataclasses.fields(Config)}
    unknown = sorted(str(name) for name in fields if name not in known)
    if unknown:
        raise ValueError(
            f"Unknown configuration fields. Expected some of {sorted(known)}. Received: {unknown} ({where})."
        )
    return {name: _taken(name, value, where) for name, value in fields.items()}


def _taken(name: str, value: Any, where: str) -> Any:
    """A field's value of a file, as the configuration takes it."""
    field = Config.__dataclass_fields__[name]
    try:
        value = _checked(field, number(value) if type_of(field) is float else value)
        if name == "recipe":
            return str(parse(value))
        return spelled(value) if name == "init" else value
    except ValueError as error:
        raise ValueError(f"{error} The value stands in {where}.") from error


def read_yaml(path: str | Path, what: str, flag: str) -> dict[Any, Any]:
    """The mapping that a YAML file holds.

    Args:
        path: the file.
        what: it is, for the message.
        flag: that named it, for the message.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a YAML mapping, or a key that is there twice, of which YAML would take the last.
    """
    import yaml

    path = Path(path)
    text = read_text(path, f"{what} file", "a YAML file in UTF-8")
    try:
        fields = yaml.safe_load(text)
    except (yaml.YAMLError, *_YAML_DAMAGE) as error:
        where = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Not a YAML file. Expected a mapping of field: value. Received: {flag}={path} "
            f"({type(error).__name__}: {where}). Write it anew."
        ) from error
    if not isinstance(fields, dict):
        raise ValueError(f"A {what} must be a mapping of field: value. Received: {type(fields).__name__} ({path}).")
    root = yaml.compose(text, yaml.SafeLoader)
    mappings = [root, *(value for _, value in root.value if isinstance(value, yaml.MappingNode))]
    keys = [[key.value for key, _ in mapping.value if isinstance(key.value, str)] for mapping in mappings]
    twice = sorted({key for names in keys for key in names if names.count(key) > 1})
    if twice:
        raise ValueError(f"A name is used twice. Expected each once. Received: {twice} ({path}). Rename one of them.")
    return fields


def dump_yaml(fields: dict[str, Any]) -> str:
    """YAML text of configuration fields, in their order."""
    import yaml

    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
