"""What a notebook needs, in one place; every function is documented where it is defined.

Example, from files to a model that serves, on the synthetic corpus:

```python
from mmtrans import api

api.synthesize("corpus", videos=6)
records = api.convert("corpus", "records")
fitted = api.fit(records, recipe="T", epochs=2, regressor_units=8)
fitted.history, fitted.metrics("valid"), fitted.predictions("valid"), fitted.plot.scatter("valid")
```

`fitted` shows what training came to. Its tables are pandas' where pandas is installed (the extra `[notebook]`).
Keywords are named as the flags of the command line. The steps behind them, one by one:

```python
config = api.Config(recipe="T->A", epochs=1, units=8, decoder_units=8)
run = api.Run.open_or_create("run", config, records)
api.train(run, records, quiet=True)
metrics = api.evaluate(run, records, "test")
decoded = list(api.translate(run, records, "test", api.SearchOptions()))
api.export(run, "exported")
scored = list(api.predict(api.Scorer.open("exported"), api.open_corpus("corpus")))
```

`metrics["mae"]` stands beside `metrics["baselines"]`; `decoded[0].hypotheses[0].frames` are the audio features that
the model writes for the words `decoded[0].words`; `scored[0].score` is a sentiment. The parts are there too: batches
for a training loop of one's own, and the functional models.

```python
selection = api.Selection("train", source=("text",), target=("audio",))
batch = next(iter(api.make_batches(records, selection, batch_size=4)))
translator = api.build_translator(api.parse("T->A"), config, run.statistics)
frames, attention_weights = translator.rollout(batch["source"], batch["source_length"], batch["target_length"])
```

Importing this module imports TensorFlow; `import mmtrans` alone imports nothing.
"""

import os

from mmtrans.system.quiet import silent_stderr

# Its start-up lines are none of a notebook's; who wants to see them sets the variable.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silent_stderr():
    import tensorflow  # noqa: F401

from mmtrans.clip import ClipPrediction, predict_clip
from mmtrans.config import Config
from mmtrans.data.batch import Selection
from mmtrans.data.pipeline import make_batches
from mmtrans.data.records import Records
from mmtrans.decoding.options import SearchOptions
from mmtrans.evaluation.ensemble import evaluate_ensemble
from mmtrans.evaluation.evaluate import evaluate
from mmtrans.evaluation.robustness import evaluate_robustness
from mmtrans.inference.export import export
from mmtrans.inference.predict import predict
from mmtrans.inference.scorer import Scorer
from mmtrans.inference.translate import translate
from mmtrans.models.build import build_translator
from mmtrans.models.regressor import build_regressor
from mmtrans.notebook.entries import convert, fit, open_run, train
from mmtrans.notebook.fitted import Fitted
from mmtrans.notebook.grids import grid, report
from mmtrans.notebook.searches import tune
from mmtrans.recipe import parse
from mmtrans.runs.run import Run
from mmtrans.sources.open import open_corpus
from mmtrans.synthetic.corpus import synthesize
from mmtrans.text import predict_text

__all__ = [
    "ClipPrediction",
    "Config",
    "Fitted",
    "Records",
    "Run",
    "Scorer",
    "SearchOptions",
    "Selection",
    "build_regressor",
    "build_translator",
    "convert",
    "evaluate",
    "evaluate_ensemble",
    "evaluate_robustness",
    "export",
    "fit",
    "grid",
    "make_batches",
    "open_corpus",
    "open_run",
    "parse",
    "predict",
    "predict_clip",
    "predict_text",
    "report",
    "synthesize",
    "train",
    "translate",
    "tune",
]
