import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips.signals import noise, write_wav
from tests.real_data import MOSI_TRIMODAL, needs
from tests.words.tiny import make_tiny_encoder
from tools.benchmark import MEASUREMENTS, main
from tools.benchmark_options import Options

ROOT = Path(__file__).resolve().parents[2]

TINY = ["--segments", "40", "--units", "4", "--epochs", "1"]

KEYS = {
    "train": {
        "segments_per_s",
        "segments_per_s_low",
        "segments_per_s_high",
        "epoch_s",
        "epoch_cpu_s",
        "first_epoch_s",
        "steps",
    },
    "input": {
        "segments_per_s",
        "segments_per_s_low",
        "segments_per_s_high",
        "epoch_s",
        "epoch_cpu_s",
        "first_epoch_s",
        "steps",
    },
    "columns": {
        *(f"{dim}_{what}_segments_per_s" for dim in (300, 1452) for what in ("train", "input")),
        *(f"{dim}_segment_bytes" for dim in (300, 1452)),
        *("train_ratio", "train_ratio_low", "train_ratio_high", "input_ratio"),
    },
    "finetune": {
        "segments_per_s",
        "segments_per_s_low",
        "segments_per_s_high",
        "epoch_s",
        "epoch_cpu_s",
        "first_epoch_s",
        "steps",
        "parameters",
        "loss",
    },
    "fusion": {
        "segments_per_s",
        "segments_per_s_low",
        "segments_per_s_high",
        "epoch_s",
        "epoch_cpu_s",
        "first_epoch_s",
        "steps",
        "parameters",
        "loss",
    },
    "convert": {"wall_s", "cpu_s", "segments", "segments_per_s", "frames", "read_s", "read_segments_per_s"},
    "decode": {
        "beam_tokens_per_s",
        "search_s",
        "first_search_s",
        "steps",
        "source_steps",
        "mean_length",
        "peak_rss_mib",
    },
    "serve": {
        *("import_s", "load_s", "first_call_s", "export_mib"),
        *(f"batch_{size}_{figure}" for size in (1, 64) for figure in ("segments_per_s", "call_s", "call_s_low")),
    },
    "grid": {"wall_s", "cpu_s", "phases", "wall_ratio", "cpu_ratio", "tree_wall_s", "tree_cpu_s", "tree_phases"},
    "engine": {
        *(
            "tasks_per_s",
            "schedule_s",
            "client_cpu_ms",
            "cluster_cpu_ms",
            "client_start_mib",
            "client_peak_mib",
            "cluster_mib",
        ),
        *("task_ms", "task_ms_low", "task_ms_high", "start_s"),
    },
    "extract": {"clip_s", "decode_cpu_s_per_s", "voice_cpu_s_per_s", "extract_cpu_s_per_s"},
    "start": {"help_cpu_s", "help_wall_s", "import_cpu_s", "import_wall_s", "python_cpu_s"},
}


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch):
    """`main` limits the threads of its own process by environment variables."""
    from tools.benchmark_rounds import thread_variables

    for name in (*thread_variables(1), "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "1")


def lines_of(capsys, *argv):
    assert main([*argv]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_measurement_is_tested():
    assert set(KEYS) == set(MEASUREMENTS)


def measure(capsys, what, *argv):
    """The one line of a measurement, its keys checked."""
    (line,) = lines_of(capsys, what, *TINY, *argv)
    assert line["bench"] == what
    assert KEYS[what] | {"peak_rss_mib"} <= set(line["results"])
    assert all(value is None or value >= 0 for value in line["results"].values())
    assert line["configuration"]["units"] == 4
    assert {"python", "mmtrans", "tensorflow", "keras", "numpy"} <= set(line["versions"])
    assert len(line["load1"]) == 2
    return line["results"]


def test_extract(capsys, tmp_path):
    pytest.importorskip("av")
    clip = write_wav(tmp_path / "a.wav", noise(1.0))
    results = measure(capsys, "extract", "--source", str(clip))
    assert results["clip_s"] == 1.0
    assert 0 < results["voice_cpu_s_per_s"] < results["extract_cpu_s_per_s"]


def test_start(capsys):
    results = measure(capsys, "start")
    assert 0 < results["python_cpu_s_low"] <= results["help_cpu_s_high"]


def test_input_takes_the_short_batch_along(capsys):
    assert measure(capsys, "input", "--batch-size", "16")["steps"] == 3


@pytest.mark.slow
def test_a_fusion_is_trained_with_its_default_sizes(capsys):
    results = measure(capsys, "fusion", "--recipes", "late(T,A,V)")
    assert results["parameters"] == sum(4 * 64 * (width + 64 + 1) for width in (300, 74, 47)) + 3 * 64 + 1


@pytest.mark.slow
def test_train_and_its_profile(capsys, tmp_path):
    results = measure(capsys, "train", "--no-deterministic", "--profile", str(tmp_path / "trace"))
    assert results["steps"] == 2
    # [encoder] 2·4·4·(300+4+1), [bridge] 8·8+8, [start frame] 74, [decoder] 16·(74+4+8+1), [attention] 4·(4+8+1),
    # [head] (4+8)·74+74.
    assert results["parameters"] == 9760 + 72 + 74 + 1392 + 52 + 962
    (trace,) = (tmp_path / "trace").rglob("*.xplane.pb")
    assert b"train" in trace.read_bytes()


@pytest.mark.slow
def test_finetune(capsys, tmp_path):
    results = measure(
        capsys, "finetune", "--encoder", str(make_tiny_encoder(tmp_path / "encoder")), "--batch-size", "16"
    )
    assert results["steps"] == 3
    # [embeddings] (pieces + 32 + 2)·16 and a norm, [two blocks] 4 + 2 kernels with biases and two norms,
    # [regressor] two directions of 64 units, [pooling] 128, [linear] 129.
    pieces = len((tmp_path / "encoder" / "vocab.txt").read_text(encoding="utf-8").splitlines())
    blocks = 4 * (16 * 16 + 16) + (16 * 24 + 24) + (24 * 16 + 16) + 2 * 2 * 16
    assert results["parameters"] == (pieces + 34) * 16 + 32 + 2 * blocks + 2 * 4 * 64 * (16 + 64 + 1) + 128 + 129


@pytest.mark.slow
def test_columns(capsys):
    results = measure(capsys, "columns")
    # Four gates of 64 units, the default, in each direction.
    assert results["1452_parameters"] - results["300_parameters"] == 2 * 4 * 64 * (1452 - 300)
    assert results["1452_segment_bytes"] > 4 * results["300_segment_bytes"]


@pytest.mark.slow
def test_convert(capsys):
    results = measure(capsys, "convert")
    # 40 segments are rounded to 2 videos, the corpus needs 3 of 20 to 25 segments.
    assert 60 <= results["segments"] <= 75
    assert results["segments_per_s"] == pytest.approx(results["segments"] / results["wall_s"], rel=0.01)
    assert results["frames"] > results["segments"]


@pytest.mark.slow
def test_convert_by_several_workers(capsys):
    (line,) = lines_of(capsys, "convert", *TINY, "--jobs", "2")
    results = line["results"]
    assert set(results) == {"wall_s", "one_wall_s", "cpu_s", "peak_rss_mib", "speedup"}
    assert results["speedup"] == pytest.approx(results["one_wall_s"] / results["wall_s"], abs=0.01)


@pytest.mark.slow
def test_engine(capsys):
    results = measure(capsys, "engine", "--tasks", "60")
    assert results["tasks_per_s"] == pytest.approx(60 / results["schedule_s"], rel=0.01)
    assert results["client_peak_mib"] >= results["client_start_mib"] > 0


#: Stands for `mmtrans.cli.main` of a checkout: it tells how it was called, and makes what a grid of two phases leaves.
STUB = """
import json, os, sys
from pathlib import Path
with open({log!r}, "a") as file:
    is_limited = "OMP_NUM_THREADS" in os.environ
    print(json.dumps([os.getcwd(), os.environ["PYTHONPATH"], is_limited, *sys.argv[1:]]), file=file)
if sys.argv[1] == "grid":
    for name in "ab":
        (Path(sys.argv[sys.argv.index("--out") + 1]) / "phases" / name).mkdir(parents=True)
"""


@pytest.fixture
def trees(tmp_path):
    """Two checkouts without content, and the log of what their command is asked to do."""
    for name in ("ours", "theirs"):
        (tmp_path / name / "mmtrans" / "cli").mkdir(parents=True)
        (tmp_path / name / "mmtrans" / "__init__.py").touch()
        (tmp_path / name / "mmtrans" / "cli" / "main.py").write_text(STUB.format(log=str(tmp_path / "log")))
    return tmp_path / "ours", tmp_path / "theirs", tmp_path / "log"


def test_a_grid_is_done_by_each_tree_on_records_of_its_own(capsys, trees, monkeypatch):
    ours, theirs, log = trees
    monkeypatch.setattr("tools.engine.grid.ROOT", ours)
    results = measure(capsys, "grid", "--jobs", "3", "--batch-size", "16", "--tree", str(theirs))
    assert results["phases"] == results["tree_phases"] == 2
    assert results["wall_ratio"] == pytest.approx(results["wall_s"] / results["tree_wall_s"], rel=0.1)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(*call[:3], call[3]) for call in calls] == [
        (str(tree), str(tree), False, command) for tree in (ours, theirs) for command in ("convert", "grid")
    ]
    (_, source, records), grid, (_, their_source, their_records), their_grid = (call[3:] for call in calls)
    assert source == their_source
    assert records != their_records
    assert grid[grid.index("--data") + 1] == records
    assert their_grid[their_grid.index("--data") + 1] == their_records
    flags = "--recipes paper --no-bidirectional --quiet --units 4 --attention-units 4 --decoder-units 4 "
    flags += "--regressor-units 4 --epochs 1 --batch-size 16 --jobs 3 --seeds 1"
    assert grid[5:] == their_grid[5:] == flags.split()


def test_a_grid_alone(capsys, trees, monkeypatch):
    monkeypatch.setattr("tools.engine.grid.ROOT", trees[0])
    (line,) = lines_of(capsys, "grid", *TINY)
    assert set(line["results"]) == {"wall_s", "cpu_s", "peak_rss_mib", "phases"}


@pytest.mark.slow
@needs(MOSI_TRIMODAL)
def test_a_given_source_is_converted(capsys):
    results = measure(capsys, "convert", "--source", str(MOSI_TRIMODAL))
    assert results["segments"] == 229
    assert results["frames"] is None


@pytest.mark.slow
def test_against_a_comparator_through_the_command(tmp_path):
    peer = tmp_path / "peer.py"
    peer.write_text('print(\'{"bench": "peer", "results": {"a": {"segments_per_s": 1.0}}}\')', encoding="utf-8")
    command = [sys.executable, "-m", "tools.benchmark", "input", *TINY, "--against", str(peer)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["bench"] for line in lines] == ["input", "peer", "input", "peer", "input"]
    assert lines[0]["configuration"]["segments"] == 40
    assert lines[-1]["figure"] == "a/segments_per_s"
    assert lines[-1]["ratio"] == pytest.approx(lines[0]["results"]["segments_per_s"], abs=0.01)


def test_start_does_not_load_tensorflow():
    code = "import sys, tools.benchmark, tools.benchmark_commands; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_help_lists_what_can_be_measured(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(MEASUREMENTS) in shown
    assert "--against FILE" in shown


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fly"], "invalid choice: 'fly'"),
        ([], "The following arguments are required: WHAT"),
        (["train", "--unit", "3"], "unrecognized arguments: --unit 3"),
    ],
)
def test_bad_usage_is_one_sentence(capsys, argv, message):
    with pytest.raises(SystemExit) as exit_info:
        main(argv)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert message.lower() in error.lower()
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--units", "0"], "--units is out of range. Expected at least 1. Received: units=0."),
        (["--batch-size", "-2"], "--batch-size is out of range. Expected at least 1. Received: batch_size=-2."),
        (["--source", "/no/corpus"], "There is no such source. Expected a corpus. Received: source='/no/corpus'."),
        (["--tree", "/no/tree"], "There is no mmtrans there. Expected a checkout of it. Received: tree='/no/tree'."),
        (["--against", "/no/peer.py"], "There is no such comparator. Expected a Python script."),
        (
            ["--against", __file__, "--python", "/no/python", "--segments", "0"],
            "--segments is out of range. Expected at least 1. Received: segments=0.",
        ),
    ],
)
def test_bad_input_is_one_sentence(capsys, argv, message):
    assert main(["start", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_flags_give_the_options_again():
    from tools.benchmark import build_parser

    options = Options(segments=7, units=3, batch_size=5, deterministic=False, source=str(ROOT), repeats=4)
    parsed = vars(build_parser().parse_args(["train", *options.flags()]))
    again = Options(**{name: parsed[name] for name in vars(options)})
    assert again == Options(**{**vars(options), "repeats": 1})


@pytest.mark.slow
def test_decode(capsys):
    assert measure(capsys, "decode")["beam_tokens_per_s"] > 0


@pytest.mark.slow
def test_serve(capsys):
    results = measure(capsys, "serve")
    assert results["batch_64_segments_per_s"] > results["batch_1_segments_per_s"] > 0
