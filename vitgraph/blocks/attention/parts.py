"""Attention of many tokens on TensorFlow, in parts of the queries: memory grows with their number, not its square.

Only for training, where every layer's probabilities are kept. In inference one layer's probabilities exist at a time,
and exported files stay without loops. On other backends `dot_product_attention` has a kernel for this. After Rabe and
Staats, "Self-attention Does Not Need O(n^2) Memory" (arXiv:2112.05682).
"""

from keras import ops

from vitgraph.blocks.base import is_static

KEYS = 2048
"""From this many keys on, a query's probabilities dominate what is kept for the gradient."""

PART = 2**20
"""Scores (queries x keys) per part, head and image."""


def is_large(q, k):
    """Whether queries (B, N, heads, d) and keys (B, M, heads, d) are many enough to be split into parts."""
    queries, keys = q.shape[1], k.shape[1]
    return is_static(queries, keys) and keys >= KEYS and queries * keys > PART


def attend_in_parts(q, k, v):
    """softmax(q k') v of (B, heads, N, d), (B, heads, M, d), (B, heads, M, e): (B, heads, N, e).

    N and M are known. The probabilities aren't kept for the gradient, which computes them again: a training step of
    ViT-Ti with one image of 1024 x 1024 takes 1.4 GiB and 10.2 s on two AVX2 cores; if they are kept, 4.5 and 7.5.
    """
    import tensorflow as tf

    queries, keys = q.shape[2], k.shape[2]
    count = -(-queries * keys // PART)
    length = -(-queries // count)

    def split(x):
        x = tf.pad(x, ((0, 0), (0, 0), (0, count * length - queries), (0, 0)))
        return tf.transpose(tf.reshape(x, (-1, x.shape[1], count, length, x.shape[3])), (2, 0, 1, 3, 4))

    def join(parts):
        parts = tf.transpose(parts, (1, 2, 0, 3, 4))
        return tf.reshape(parts, (-1, parts.shape[1], count * length, parts.shape[4]))[:, :, :queries]

    def probabilities(q, k):
        return tf.nn.softmax(tf.cast(tf.matmul(q, k, transpose_b=True), "float32"))

    @ops.custom_gradient
    def attend(q, k, v):
        def part(q):
            return tf.matmul(tf.cast(probabilities(q, k), v.dtype), v)

        def gradient(upstream):
            parts, upstreams = split(q), split(upstream)

            def add_part(i, dq, dk, dv):
                weights = probabilities(parts[i], k)
                dv += tf.cast(tf.matmul(tf.cast(weights, v.dtype), upstreams[i], transpose_a=True), "float32")
                dweights = tf.cast(tf.matmul(upstreams[i], v, transpose_b=True), "float32")
                dscores = weights * (dweights - tf.reduce_sum(dweights * weights, -1, keepdims=True))
                dscores = tf.cast(dscores, q.dtype)
                dk += tf.cast(tf.matmul(dscores, parts[i], transpose_a=True), "float32")
                return i + 1, dq.write(i, tf.matmul(dscores, k)), dk, dv

            start = 0, tf.TensorArray(q.dtype, count), *(tf.zeros_like(x, "float32") for x in (k, v))
            _, dq, dk, dv = tf.while_loop(
                lambda i, *_: i < count, add_part, start, parallel_iterations=1, maximum_iterations=count
            )
            return join(dq.stack()), tf.cast(dk, k.dtype), tf.cast(dv, v.dtype)

        return join(tf.map_fn(part, split(q), parallel_iterations=1)), gradient

    return attend(q, k, v)
