import gc
import weakref

import pytest
import tensorflow as tf

from mmtrans.training.process import graphs_released


@tf.custom_gradient
def doubled(x):
    # The gradient knows `x`, and so the graph.
    return 2.0 * x, lambda upstream: 3.0 * upstream * x


def traced():
    return tf.function(lambda x: doubled(x), autograph=False).get_concrete_function(tf.TensorSpec([]))


def test_the_graphs_of_a_training_are_freed_and_earlier_ones_can_still_be_differentiated():
    earlier = traced()
    graphs = []

    @graphs_released()
    def train():
        later = traced()
        graphs.append(weakref.ref(later.graph))
        raise ValueError("stopped")

    for _ in range(2):
        with pytest.raises(ValueError, match="stopped"):
            train()
    gc.collect()
    assert [graph() for graph in graphs] == [None, None]
    x = tf.constant(5.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = earlier(x)
    assert float(tape.gradient(y, x)) == 15.0
