"""Searches with trainings that are but a formula: what is proposed, kept, repeated and lost."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import keras_tuner
import pytest
import yaml

from mmtrans.config.files import load_yaml
from mmtrans.engine.options import EngineOptions
from mmtrans.search import tuner
from mmtrans.search.cluster import Member
from mmtrans.search.results import best_first, load_trials
from mmtrans.search.tuner import time_left
from mmtrans.training.memory import phase_memory
from tests.search.formula import SPACE, facts, interrupt_writes, run
from tfrecords.manifest import Manifest


def test_the_best_trial_is_kept_with_all_that_it_takes_to_repeat_it(search, work):
    search = replace(search, seeds_per_trial=2, path=search.path / "two")
    search.path.mkdir()
    search.save()
    trials = run(search, 5)
    assert [trial.name for trial in trials] == ["0000", "0001", "0002", "0003", "0004"]
    best = best_first(search, trials)[0]
    expected = [abs(t.parameters["units"] - 6) + t.parameters["dropout"] + 0.035 + 1 / 9 for t in trials]
    assert [trial.value for trial in trials] == pytest.approx(expected)
    assert best.value == min(trial.value for trial in trials)
    assert load_yaml(search.path / "best.yaml") == replace(search.config, **best.parameters).to_dict()
    assert work.done == [(f"000{i}/seed-{k}", 9) for i in range(5) for k in range(2)]
    with open(search.path / "trials.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, trial in zip(rows, trials, strict=True):
        assert (row["trial"], row["status"], row["epochs"], row["reason"]) == (trial.name, "completed", "18", "")
        assert (float(row["mae_seed_3"]) + float(row["mae_seed_4"])) / 2 == pytest.approx(float(row["mae"]))
        assert {name: yaml.safe_load(row[name]) for name in SPACE} == trial.parameters
        assert row["runs"] == f"{trial.name}/seed-0 {trial.name}/seed-1"


@pytest.mark.parametrize(("objective", "direction"), [("mae", min), ("pearson", max)])
def test_better_is_what_the_metric_says(search, work, objective, direction):
    search = replace(search, objective=objective, tuner="grid", path=search.path / objective)
    search.path.mkdir()
    search.save()
    trials = run(search, None)
    values = [trial.value for trial in trials]
    assert len(values) == 12
    assert best_first(search, trials)[0].value == direction(values)
    units = load_yaml(search.path / "best.yaml")["units"]
    assert units == (6 if direction is min else 2)


def test_a_grid_tries_every_combination_once(search, work):
    trials = run(replace(search, tuner="grid"), None)
    tried = [(trial.parameters["units"], trial.parameters["dropout"]) for trial in trials]
    assert tried == [(units, dropout) for units in (2, 4, 6, 8) for dropout in (0.1, 0.2, 0.3)]


def test_bayes_learns_from_trials(search, work):
    search = replace(search, tuner="bayesian", specs={"units": {"low": 2, "high": 200}}, path=search.path / "bayes")
    search.path.mkdir()
    search.save()
    trials = run(search, 8)
    units = [trial.parameters["units"] for trial in trials]
    assert abs(best_first(search, trials)[0].parameters["units"] - 6) <= 4
    assert len(set(units)) == len(units)
    # 3 are random by a default that is not keras-tuner's.
    assert sum(abs(value - 6) <= 20 for value in units[4:]) >= 3


def test_hyperband_goes_on_with_the_same_run(search, work):
    wide = {**SPACE, "learning_rate": {"low": 1e-3, "high": 1e-1, "sampling": "log"}}
    search = replace(search, tuner="hyperband", specs=wide, path=search.path / "hyperband")
    search.path.mkdir()
    search.save()
    trials = run(search, None)
    promoted = [trial for trial in trials if trial.origin != trial.name]
    assert promoted
    by_name = {trial.name: trial for trial in trials}
    for trial in promoted:
        first = by_name[trial.origin]
        assert trial.parameters == first.parameters
        assert trial.max_epochs in (3, 9)
        assert trial.max_epochs > first.max_epochs
        assert [score.run for score in trial.scores] == [f"{first.name}/seed-0"]
    for name in {name for name, _ in work.done}:
        budgets = [epochs for run, epochs in work.done if run == name]
        assert budgets == sorted(set(budgets))
    assert load_yaml(search.path / "best.yaml")["epochs"] == best_first(search, trials)[0].max_epochs
    # More trials than one sweep has.
    assert len(run(search, len(trials) + 2)) == len(trials) + 2


@pytest.mark.parametrize(("kind", "number"), [("random", 6), ("hyperband", 6), ("grid", 6), ("bayesian", 4)])
def test_a_kill_at_any_write_loses_nothing(search, work, monkeypatch, kind, number):
    search = replace(search, tuner=kind)
    paths = [search.path / name for name in ("whole", "killed")]
    whole, killed = (replace(search, path=path) for path in paths)
    for each in (whole, killed):
        each.path.mkdir()
        each.save()
    expected = facts(run(whole, number))
    writes = {"left": 0}
    interrupt_writes(monkeypatch, writes)
    kills = 0
    for nth in range(1, 60):
        writes["left"] = 1 + nth % 7
        before = {trial.name for trial in load_trials(killed)}
        work.done.clear()
        try:
            trials = run(killed, number)
        except KeyboardInterrupt:
            kills += 1
            # At most the one whose end was not yet written down.
            assert len(before & {name.split("/")[0] for name, _ in work.done}) <= 1
            continue
        break
    assert kills >= 3
    assert facts(trials) == expected


def test_the_interrupted_trial_is_repeated_and_no_other(search, work):
    def interrupt(_):
        raise KeyboardInterrupt

    run(search, 2)
    work.fails = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(search, 4)
    work.fails, work.done = lambda config: False, []
    trials = run(search, 4)
    assert [name for name, _ in work.done] == ["0002/seed-0", "0003/seed-0"]
    assert len(trials) == 4
    work.done.clear()
    assert run(search, 4) == trials
    assert work.done == []


def test_a_failed_trial_is_recorded_with_its_reason_and_the_search_goes_on(search, work, capsys):
    work.fails = lambda config: config.encoder.units >= 6
    search = replace(search, tuner="grid", seeds_per_trial=2)
    (search.path / "search.json").unlink()
    search.save()
    trials = run(search, None, quiet=False)
    assert [bool(trial.reason) for trial in trials] == [False] * 6 + [True] * 6
    assert {trial.reason for trial in trials[6:]} == {"Broke with 6 units.", "Broke with 8 units."}
    # Nothing is begun after a failure.
    assert ("0006/seed-0", 9) in work.done
    assert ("0006/seed-1", 9) not in work.done
    err = capsys.readouterr().err
    assert "trial 0006 FAILED: Broke with 6 units." in err
    assert "trial 0000: valid mae 4.2" in err
    rows = (search.path / "trials.csv").read_text().splitlines()
    assert rows[7].startswith("0006,failed,,,")
    assert rows[7].endswith(",Broke with 6 units.")
    assert json.loads((search.path / "tuner" / "trial_0006" / "trial.json").read_text())["status"] == "FAILED"


def test_what_is_no_failure_of_a_trial_stops_the_search(search, work):
    def break_down(_):
        raise OSError("disk full")

    work.fails = break_down
    with pytest.raises(OSError, match="disk full"):
        run(search, 3)
    assert load_trials(search) == []
    work.fails = lambda config: False
    assert len(run(search, 3)) == 3


def test_another_search_is_refused(search):
    search.save()
    other = replace(search, specs={**SPACE, "units": [1, 2]}, config=replace(search.config, epochs=10), num_folds=3)
    with pytest.raises(ValueError, match=r"another search\. .*epochs: 9 → 10, num_folds: 0 → 3, space\.units: \[2, 4"):
        other.save()


def test_a_search_for_another_metric_is_another_search(search):
    """Its name is that of a field of the configuration, too."""
    search.save()
    with pytest.raises(ValueError, match=r"another search\. .*--metric: 'mae' → 'pearson' \("):
        replace(search, objective="pearson").save()


def test_a_search_of_an_earlier_release_lacks_fields_and_is_the_same(search):
    search.save()
    path = search.path / "search.json"
    description = json.loads(path.read_text())
    del description["config"]["ema"]
    path.write_text(json.dumps({**description, "later": 1}))
    search.save()
    path.write_text(json.dumps({**description, "config": {**description["config"], "units": "3"}}))
    with pytest.raises(
        ValueError, match=r"Wrong type\. Expected int\. Received: units='3'\. .*The value stands in .*search\.json"
    ):
        search.save()


def test_a_space_must_leave_something_to_search(search):
    with pytest.raises(ValueError, match="nothing to search"):
        replace(search, specs={"units": 3})
    with pytest.raises(ValueError, match=r"A grid needs values.*Received: \['learning_rate'\]"):
        replace(search, tuner="grid", specs={"learning_rate": {"low": 0.1, "high": 0.2}})
    fixed = replace(search, specs={"units": [1, 2], "cell": "gru", "dropout": [0.25]})
    assert list(fixed.space) == ["units"]
    assert (fixed.base.encoder.cell, fixed.base.encoder.dropout) == ("gru", 0.25)


def test_keras_tuner_still_has_what_is_overridden():
    for name in ("save", "reload", "_save_trial", "_get_trial_dir", "_get_oracle_fname"):
        assert callable(getattr(keras_tuner.Oracle, name))
    assert callable(keras_tuner.oracles.BayesianOptimizationOracle._vectorize_trials)
    for name in ("search", "run_trial"):
        assert callable(getattr(keras_tuner.Tuner, name))


@pytest.mark.parametrize(
    ("seconds", "most", "slots", "expected"),
    [
        ([60.0, 120.0], 6, 2, "; about 3 min left"),
        ([1.0], 3, 1, "; less than a minute left"),
        ([60.0], 1, 1, ""),
        ([60.0], None, 1, ""),
        ([], 4, 1, ""),
    ],
)
def test_the_time_left_is_that_of_the_trials_so_far(seconds, most, slots, expected):
    trials = [SimpleNamespace(seconds=each, reason=None) for each in seconds]
    assert time_left(trials, most, slots) == expected


@pytest.mark.parametrize(("specs", "largest"), [({}, 32), ({"batch_size": [16, 64, 8]}, 64), ({"batch_size": 9}, 9)])
def test_workers_must_have_memory_for_the_largest_batch(specs, largest, search, work, small_dir, monkeypatch):
    asked, opened = [], tuner.opened
    monkeypatch.setattr(tuner, "opened", lambda *arguments, **_: asked.append(arguments[2]) or opened())
    search = replace(search, records_path=small_dir, specs={**SPACE, **specs}, path=search.path / "batches")
    search.path.mkdir()
    search.save()
    for jobs in (1, 2):
        tuner.run_search(search, jobs, Member(), EngineOptions(jobs=jobs), quiet=True)
    # With one job there are no workers.
    assert asked[0] is None
    assert asked[1].memory == phase_memory(Manifest.load(small_dir), largest)
