"""Searches for hyper-parameters: keras-tuner proposes, our training loop trains, train and valid decide."""

#: Ways of proposing, as of `mmtrans tune --tuner`.
TUNERS = ("bayesian", "hyperband", "random", "grid")
