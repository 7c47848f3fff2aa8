"""What a run copies from another, trained one (`--init RUN`): its encoders, and where all fits whole translations.

A run's n-th translation copies that of RUN if both read the same source. If recipe, target columns and feature target
match too, the whole translation is copied (encoder, bridge, decoder, head); otherwise only the encoder. All else starts
from the run's seed, and features are standardised by the run's own train split. An earlier format may have learned
something else than a run would now: then a translation of features gives its encoder alone, and a translation of
another one's encoder nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmtrans.config import FIELDS, RUN_FORMAT, Config
from mmtrans.data.records import Records
from mmtrans.models.translator import Translator
from mmtrans.recipe import Features, Translation, parse
from mmtrans.runs.environment import text_of
from mmtrans.runs.phases import Phase, TranslationPhase, last_change
from mmtrans.runs.run import Run
from mmtrans.runs.weights import load_weights, read_weights
from mmtrans.system.console import warn
from tfrecords.manifest import TextColumns


def open_init(init: str, kept: Path | None = None) -> Run:
    """Opens the run that a configuration starts from.

    Args:
        init: directory of the run.
        kept: a copy of its translations, which goes before; a line on stderr tells where the run is another by now.

    Raises:
        FileNotFoundError: there is no run.
    """
    if kept is None:
        return Run.open(init)
    copy = Run.open(kept)
    if (Path(init) / "environment.json").is_file():
        original = Run.open(init)
        trained = all(original.weights_path(phase).is_file() for phase in original.translations)
        if not trained or original.translations_hash != copy.translations_hash:
            warn(f"{init} has other weights by now; those in {kept} are used.")
    return copy


def check_init(init: Run, config: Config, records: Records) -> None:
    """Raises a ValueError where the first translation of a configuration can take nothing over, where sizes differ, or
    where what is to be taken over is damaged.

    Args:
        init: the run to start from.
        config: the new run's configuration, whose recipe is a translation.
        records: the new run's records.
    """
    translations = parse(config.plan.recipe).translations
    if _counterpart(init, translations, 0) is None:
        given = [str(phase.recipe) for phase in init.translations]
        raise ValueError(
            f"The run to start from does not fit. Expected one whose first translation reads {translations[0].source}. "
            f"Received: init={config.plan.init} with translations={given}. Choose another run or recipe."
        )
    dims = {name: records.dim(name) for name in records.manifest.modalities}
    for index in range(len(translations)):
        given = _counterpart(init, translations, index)
        if given is None:
            continue
        whole = not _learned_otherwise(init, given) and _is_whole(init, given, translations[index], config, dims)
        names = _shaping("encoder") | (_shaping("decoder") if whole else set())
        names |= _shaping("latent") if config.latent.bottleneck == "vae" else set()
        inputs = translations[index].inputs
        theirs, ours = init.config.to_dict(), config.to_dict()
        wanted = {name: theirs[name] for name in names} | _columns(inputs, _dims(init))
        received = {name: ours[name] for name in names} | _columns(inputs, dims)
        if "text" in inputs.modalities:
            wanted |= _words(text_of(init.data))
            received |= _words(records.manifest.text)
        _compare(wanted, received, config)
        read_weights(init.weights_path(given))


def _shaping(part: str) -> set[str]:
    """The fields that give a part of a translation its shape."""
    return {name for name, field in FIELDS.items() if part in field.shapes}


def copy_initial_weights(init: Run, run: Run, phase: TranslationPhase, translator: Translator) -> None:
    """Copies the weights that a new translator starts from, and freezes its encoder if the run is to.

    Args:
        init: the run's `init`.
        run: the run.
        phase: a translation of the run.
        translator: the models of the translation, with their initial weights.

    Raises:
        ValueError: weights of other shapes.
    """
    given = _counterpart(init, run.recipe.translations, phase.index - 1, run.run_format)
    if given is None:
        return
    group, model = "representation", translator.representation
    is_whole = _is_whole(init, given, phase.recipe, run.config, _dims(run))
    if is_whole and (reason := _learned_otherwise(init, given, run.run_format)):
        warn(f"An earlier version made {run.config.plan.init}; its encoder alone is taken over, since {reason}.")
    elif is_whole:
        group, model = init.translator_group(given), translator.model
    load_weights(init.weights_path(given), group, model)
    if run.config.plan.freeze == "encoder":
        translator.representation.trainable = False


def _counterpart(
    init: Run, translations: tuple[Translation, ...], index: int, run_format: int = RUN_FORMAT
) -> TranslationPhase | None:
    """The phase from which a translation of a run of some format takes over."""
    for phase in init.translations[index : index + 1]:
        fits = isinstance(phase.recipe.source, Features) or not _learned_otherwise(init, phase, run_format)
        if fits and str(phase.recipe.source) == str(translations[index].source):
            return phase
    return None


def _is_whole(init: Run, given: TranslationPhase, recipe: Translation, config: Config, dims: Mapping[str, int]) -> bool:
    features = init.config.output.target == config.output.target == "features"
    # Tokens mean something else in each run: its codebook is fitted on its own train split.
    same = str(given.recipe) == str(recipe)
    return features and same and _columns(recipe.target, _dims(init)) == _columns(recipe.target, dims)


def _learned_otherwise(init: Run, phase: Phase, run_format: int = RUN_FORMAT) -> str | None:
    """Why a translation would learn something else in a run of another format; `None` where it would not."""
    change = last_change("translation", phase.recipe, init.config, init.unaligned)
    if change is None or (init.run_format < change.run_format) == (run_format < change.run_format):
        return None
    return change.reason


def _dims(run: Run) -> dict[str, int]:
    return {name: len(mean) for name, mean in run.statistics.mean.items()}


def _columns(features: Features, dims: Mapping[str, int]) -> dict[str, int]:
    return {f"columns of {name}": dims[name] for name in features.modalities}


def _words(text: TextColumns | None) -> dict[str, object]:
    """What the columns of text mean, where a text encoder made them or reads them."""
    if text is None:
        return {"words": "vectors of no text encoder"}
    parts = [*(["pieces"] if text.pieces else []), *(f"layer {layer}" for layer in text.layers)]
    parts += [f"word vectors {text.glove_sha256[:12]}"] if text.glove_sha256 else []
    return {"words": f"{', '.join(parts)} of the text encoder {text.sha256[:12]}"}


def _compare(wanted: Mapping[str, object], received: Mapping[str, object], config: Config) -> None:
    differing = sorted(name for name in wanted if wanted[name] != received[name])
    if not differing:
        return
    expected, found = (", ".join(f"{name}={values[name]}" for name in differing) for values in (wanted, received))
    raise ValueError(
        f"The run to start from has other sizes. Expected {expected} as there. "
        f"Received: {found} (init={config.plan.init}). "
        f"Give the same flags as it was trained with, and records with the same features."
    )
