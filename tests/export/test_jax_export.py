"""Do nets on JAX lower for accelerators that aren't there, so that a file made here runs on them?"""

import json

LOWER = """
import json, os, sys
os.environ["KERAS_BACKEND"] = "jax"
import jax
from jax import export
from tests.variants import TINY

found = {}
for name in ("vit", "deit", "swin", "pvt_v2", "cvt", "mobilevit"):
    model = TINY[name].build()
    weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
    forward = jax.jit(lambda x, model=model, weights=weights: model.stateless_call(*weights, x, training=False)[0])
    for platform in ("tpu", "cuda"):
        exported = export.export(forward, platforms=[platform])(jax.ShapeDtypeStruct((2, 64, 64, 3), "float32"))
        found[f"{name} {platform}"] = (exported.out_avals[0].shape, "custom_call" in exported.mlir_module())
print(json.dumps(found))
"""


def test_nets_lower_for_tpu_and_cuda(fresh_process):
    """Without calls of libraries that another machine may lack."""
    found = json.loads(fresh_process(LOWER).splitlines()[-1])
    assert len(found) == 12
    assert all(answer == [[2, 5], False] for answer in found.values())
