"""Several trials at once: who is kept busy, what is proposed meanwhile, and what a kill leaves."""

import itertools
from dataclasses import replace

import keras_tuner
import numpy as np
import pytest

from mmtrans.search.cluster import Member
from mmtrans.search.oracles import BayesianOracle, RandomOracle, make_oracle
from mmtrans.search.results import load_trials
from tests.search.formula import facts, interrupt_writes, run

#: With an interval, so that random draws never run out.
WIDE = {"units": {"low": 2, "high": 200}, "learning_rate": {"low": 1e-3, "high": 1e-1, "sampling": "log"}}


def made(search, kind, name, specs=WIDE, **changes):
    search = replace(search, tuner=kind, specs=specs, path=search.path / name, **changes)
    search.path.mkdir()
    search.save()
    return search


def uneven(training):
    """Trainings of a search of 9 epochs end in another order than that in which they began."""
    return training.config.optimisation.epochs * (1 + training.config.encoder.units % 7)


@pytest.mark.parametrize("kind", ["random", "bayesian", "hyperband", "grid"])
def test_one_worker_gets_the_trials_of_keras_tuners_own_loop(search, work, kind, tmp_path):
    specs = {"units": [2, 4, 6], "dropout": [0.1, 0.2]} if kind == "grid" else WIDE
    search = made(search, kind, kind, specs)
    trials = run(search, 6 if kind != "bayesian" else 4)

    class Loop(keras_tuner.Tuner):
        def run_trial(self, trial):
            return dict(zip(["mae"], [values.pop(0)], strict=True))

    values = [trial.value for trial in trials]
    oracle = make_oracle(search, len(trials))
    oracle._vectorize_trials = super(BayesianOracle, oracle)._vectorize_trials if kind == "bayesian" else None
    loop = Loop(oracle, directory=str(tmp_path), project_name="loop")
    loop.search()
    ours = make_oracle(search, len(trials))
    ours._set_project_dir(str(search.path), "tuner")
    ours.reload()
    expected = [(trial.hyperparameters.values, trial.score) for trial in oracle.trials.values()]
    assert [(trial.hyperparameters.values, trial.score) for trial in ours.trials.values()] == expected


@pytest.mark.parametrize("kind", ["random", "grid"])
def test_four_workers_are_kept_busy_and_get_the_trials_of_one(search, work, kind):
    specs = {"units": [2, 4, 6, 8], "dropout": [0.1, 0.2, 0.3]} if kind == "grid" else WIDE
    alone = run(made(search, kind, "alone", specs), 12)
    work.slots = 4
    assert facts(run(made(search, kind, "together", specs), 12)) == facts(alone)
    assert work.engine.now == 3
    assert work.engine.share == 1


def test_seeds_of_a_trial_come_before_the_next_trial(search, work):
    work.slots = 4
    run(made(search, "random", "seeds", seeds_per_trial=3), 4)
    assert work.engine.begun == [f"000{trial}/seed-{seed}-9" for trial in range(4) for seed in range(3)]
    assert work.engine.now == 3


def test_hyperband_promotes_the_same_trials_while_its_next_bracket_has_begun(search, work):
    alone = run(made(search, "hyperband", "alone"), None)
    work.slots, work.seconds = 4, uneven
    together = run(made(search, "hyperband", "together"), None)
    outline = [sorted((t.max_epochs, t.value, t.origin != t.name) for t in trials) for trials in (alone, together)]
    assert outline[1] == outline[0]
    # The second bracket, of trials with three epochs, has begun before the first one is at its last round.
    begun = [(key.rpartition("-")[2], key[:4] < "0009") for key in work.engine.begun]
    assert begun.index(("3", False)) < begun.index(("9", True))
    assert work.engine.share > 0.7


def test_bayes_guesses_what_trials_at_work_will_give(search, work):
    oracle = make_oracle(made(search, "bayesian", "guess"), 20)
    oracle._set_project_dir(str(search.path), "guess-tuner")
    scores = [0.9, 0.4, 0.7, 0.5]
    for score in scores:
        trial = oracle.create_trial("tuner0")
        oracle.update_trial(trial.trial_id, {"mae": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    places, values = oracle._vectorize_trials()
    assert places.shape == (4, 2)
    np.testing.assert_array_equal(values, scores)
    at_work = [oracle.create_trial(f"tuner{number}") for number in range(2)]
    mean, deviation = (
        oracle._make_gpr()
        .fit(places, values)
        .predict(
            [
                [hp.value_to_prob(trial.hyperparameters.values[hp.name]) for hp in oracle.hyperparameters.space]
                for trial in at_work
            ],
            return_std=True,
        )
    )
    guessed_places, guessed = oracle._vectorize_trials()
    np.testing.assert_array_equal(guessed_places[:4], places)
    np.testing.assert_allclose(guessed, [*scores, *(mean + deviation)], rtol=1e-6)
    # A trial that failed tells nothing.
    at_work[0].status, at_work[0].message = "FAILED", "x"
    oracle.end_trial(at_work[0])
    assert oracle._vectorize_trials()[0].shape == (5, 2)


def test_bayes_keeps_four_workers_busy_with_trials_that_lie_apart(search, work):
    work.slots = 4
    search = made(search, "bayesian", "apart")
    trials = run(search, 9)
    assert work.engine.now == 3
    # 3 are random, and so are those that were begun before they had ended; then the process proposes.
    places = [(t.parameters["units"] / 200, np.log10(t.parameters["learning_rate"] / 1e-3) / 2) for t in trials[5:]]
    distances = [np.hypot(*np.subtract(a, b)) for a, b in itertools.combinations(places, 2)]
    assert min(distances) > 0.1


@pytest.mark.parametrize("kind", ["random", "grid", "hyperband"])
def test_a_kill_at_any_write_loses_nothing_of_four_workers(search, work, monkeypatch, kind):
    specs = {"units": [2, 4, 6, 8], "dropout": [0.1, 0.2]} if kind == "grid" else WIDE
    number, writes = 7, {"left": 0}
    work.slots, work.seconds = 4, uneven
    expected = facts(run(made(search, kind, "whole", specs), number))
    killed = made(search, kind, "killed", specs)
    interrupt_writes(monkeypatch, writes)
    kills, known = 0, {}
    for nth in range(1, 60):
        writes["left"] = 5 + nth % 11
        work.done.clear()
        try:
            trials = run(killed, number)
        except KeyboardInterrupt:
            kills += 1
            # At most the one whose end was not yet written down.
            assert len(known.keys() & {name.split("/")[0] for name, _ in work.done}) <= (kind == "hyperband") + 1
            ended = {trial.name: facts([trial]) for trial in load_trials(killed)}
            assert known.items() <= ended.items()
            known = ended
            continue
        break
    assert kills >= 3
    assert [trial.name for trial in trials] == [f"{i:04d}" for i in range(number)]
    if kind in ("random", "grid"):
        assert facts(trials) == expected


def test_trials_that_were_interrupted_are_repeated_in_their_order(search, work):
    def interrupt(_):
        raise KeyboardInterrupt

    work.slots, work.fails = 4, interrupt
    search = made(search, "random", "order")
    with pytest.raises(KeyboardInterrupt):
        run(search, 6)
    work.fails, work.slots = lambda config: False, 1
    work.done.clear()
    trials = run(search, 6)
    assert [name for name, _ in work.done] == [f"000{i}/seed-0" for i in range(6)]
    assert facts(trials) == facts(run(made(search, "random", "whole"), 6))


def test_after_a_failure_a_trial_begins_no_more_and_waits_for_those_at_work(search, work):
    work.slots = 2
    work.fails = lambda config: config.encoder.units == 2 and config.plan.seed < 5
    specs = {"units": [2, 4], "dropout": [0.1]}
    trials = run(made(search, "grid", "failing", specs, seeds_per_trial=4), None)
    # Seeds 3 and 4 are at work when 3 fails; 5 and 6 are not begun.
    assert [name for name, _ in work.done if name.startswith("0000")] == ["0000/seed-0", "0000/seed-1"]
    assert [trial.reason for trial in trials] == ["Broke with 2 units.", None]
    assert len(trials[1].scores) == 4


def test_a_worker_of_a_cluster_has_one_trial_at_a_time_and_waits_for_the_others(search, work, monkeypatch):
    draws = RandomOracle.populate_space
    answers = [{"status": "IDLE"}, {"status": "IDLE"}]
    waited = []
    monkeypatch.setattr("mmtrans.search.tuner.time.sleep", waited.append)
    monkeypatch.setattr(
        RandomOracle, "populate_space", lambda self, name: answers.pop() if answers else draws(self, name)
    )
    work.slots = 4
    search = made(search, "random", "worker", seeds_per_trial=2)
    trials = run(search, 3, member=Member("tuner7", "127.0.0.1", 1))
    assert waited == [1, 1]
    assert len(trials) == 3
    # Both seeds at once, and no second trial beside the first.
    assert work.engine.now == 3
