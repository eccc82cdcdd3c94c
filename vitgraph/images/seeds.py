"""Seeds of stateless draws: two integers, the first of a training and its epoch, the second of an image."""


def of_image(seed, epoch, draw):
    """The seed of everything that happens to an image; `draw` is an integer tensor, less than 2**40."""
    import tensorflow as tf

    return tf.stack([tf.constant(seed + (epoch << 32), tf.int64), tf.cast(draw, tf.int64)])


def part(seed, number):
    """One of the seeds, numbered from 1, 2, ... 62, of draws that are independent of each other."""
    import tensorflow as tf

    return seed + tf.constant([0, number << 40], tf.int64)
