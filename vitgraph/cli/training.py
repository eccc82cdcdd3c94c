"""The commands `vitgraph train` and `vitgraph pretrain`."""

import argparse
import json
import pathlib
import sys

TRAIN_EXAMPLES = """\
IMAGES is a folder with a folder of images for each class. In DIR come history.csv, history.png, tensorboard/, run.json
(all that was asked for), last.safetensors (where training goes on), best.safetensors (the weights of the best epoch),
and at the end model.keras and weights.safetensors. Interrupted at any moment, the same command goes on after the last
whole epoch and ends as if nothing had happened.

examples:
  vitgraph train vit_small_patch16_224 flowers --validation 0.1 --out small --batch-size 256 --epochs 100
  vitgraph train pvt_v2_b0 flowers/train --validation flowers/val --out tuned --weights in1k --recipe finetune \\
      --batch-size 64 --epochs 20 --dtype mixed_bfloat16
  vitgraph train vit_base_patch16_224 flowers --out tuned --weights mae/weights.safetensors --recipe finetune \\
      --accumulation 8 --augment mixup=0.0 --model global_pool=avg
"""

PRETRAIN_EXAMPLES = """\
IMAGES is a folder of images, in folders or not; classes aren't looked at. DIR is as for `vitgraph train`, where
--weights DIR/weights.safetensors takes what comes out.

examples:
  vitgraph pretrain vit_base_patch16_224 photographs --out mae --accumulation 16
  vitgraph pretrain vit_small_patch16_224 photographs --out simmim --objective simmim --batch-size 512 --epochs 100 \\
      --warmup-epochs 10 --objective-argument masking_ratio=0.6
"""

NUMBERS = {  # arguments of `Recipe`
    "epochs": (int, "N", "passes over the images"),
    "batch_size": (int, "N", "images that one update of the weights sees"),
    "accumulation": (int, "N", "parts in which a batch goes through the net, where memory is short"),
    "base_learning_rate": (float, "R", "the learning rate is R * batch size / base batch size"),
    "base_batch_size": (int, "N", "see there"),
    "min_learning_rate": (float, "R", "where the cosine ends"),
    "warmup_epochs": (float, "N", "epochs in which the learning rate rises"),
    "warmup_learning_rate": (float, "R", "where it rises from"),
    "weight_decay": (float, "D", "of kernels; norms, biases, tokens and tables have none"),
    "beta_1": (float, "B", "AdamW's"),
    "beta_2": (float, "B", "AdamW's"),
    "epsilon": (float, "E", "AdamW's"),
    "clip_norm": (float, "N", "largest norm of all gradients together"),
    "layer_decay": (float, "D", "each block's learning rate over that of the block after it"),
    "ema_momentum": (float, "M", "of the moving average of the weights, which is then what is kept"),
    "label_smoothing": (float, "S", "share of each label that is spread over all classes"),
    "drop_rate": (float, "P", "dropout, where the builder has this argument"),
    "drop_path_rate": (float, "P", "stochastic depth, where the builder has this argument"),
}


def add_commands(add, input_size):
    """Adds both parsers: `add(run, name, text)` makes one, `input_size` reads a size."""
    command = add(train, "train", "train a classifier on a folder of images, or go on with that")
    _arguments(command, input_size, "deit", TRAIN_EXAMPLES)

    command = add(pretrain, "pretrain", "pre-train a net on images without classes, or go on with that")
    group = _arguments(command, input_size, "mae", PRETRAIN_EXAMPLES)
    group.add_argument(
        "--objective",
        default="masked_autoencoder",
        metavar="NAME",
        help="one of vitgraph.objectives, such as simmim, byol, dino; default: masked_autoencoder",
    )
    _pairs(group, "--objective-argument", "an argument of the objective; may be given several times")


def train(args):
    from vitgraph.training import train

    return _run(args, train)


def pretrain(args):
    from vitgraph.training import pretrain

    return _run(args, pretrain, objective=args.objective, objective_arguments=dict(args.objective_argument))


def _run(args, function, **options):
    """Exit code 130 for an interruption, 1 where the loss is no longer finite."""
    if (args.mean is None) != (args.std is None):
        raise ValueError("--mean and --std go together")
    numbers = {name: getattr(args, name) for name in NUMBERS if getattr(args, name) is not None}
    try:
        function(
            args.name,
            args.images,
            args.out,
            validation=args.validation,
            recipe=args.recipe,
            weights=args.weights,
            input_size=args.input_size,
            channels=args.channels,
            normalization=None if args.mean is None else (args.mean, args.std),
            dtype=args.dtype,
            jit_compile="auto" if args.jit is None else args.jit,
            unreadable="skip" if args.skip_unreadable else "refuse",
            seed=args.seed,
            model_arguments=dict(args.model),
            augmentation=dict(args.augment),
            **numbers,
            **options,
        )
    except KeyboardInterrupt:
        print(f"\nvitgraph {args.command}: interrupted; {_how_to_go_on(args.out)}", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(f"\nvitgraph {args.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _how_to_go_on(out):
    from vitgraph.training.checkpoint import read_state
    from vitgraph.training.folder import LAST

    state = read_state(pathlib.Path(out, LAST))
    if state is None:
        return "no epoch was whole, the same command starts anew"
    return f"the same command goes on after epoch {state['epoch']}"


def _arguments(command, input_size, recipe, examples):
    """What both commands have; returns the group about the model."""
    command.epilog, command.formatter_class = examples, argparse.RawDescriptionHelpFormatter
    command.add_argument("name", help="one of `vitgraph list`")
    command.add_argument("images", help="the folder of images")
    command.add_argument("--out", required=True, metavar="DIR", help="the folder for all that is written")

    group = command.add_argument_group("images")
    group.add_argument(
        "--validation", type=_validation, metavar="V", help="a folder, or the share of IMAGES that is held out: 0.1"
    )
    group.add_argument(
        "--input-size", type=input_size, metavar="SIZE", help="384, or 384x256 (height x width); default: the variant's"
    )
    group.add_argument("--channels", type=int, default=3, metavar="N", help="of the images; default: 3")
    group.add_argument(
        "--mean", type=_floats, metavar="M", help="0.5,0.5,0.5; default: as the published weights want, or ImageNet's"
    )
    group.add_argument("--std", type=_floats, metavar="S", help="the same for the standard deviation")
    group.add_argument("--skip-unreadable", action="store_true", help="leave out files that can't be read")

    model = command.add_argument_group("model")
    model.add_argument("--weights", metavar="W", help="a checkpoint or timm's tag to begin with; default: random")
    model.add_argument("--dtype", metavar="POLICY", help="such as mixed_bfloat16; default: float32")
    _pairs(model, "--model", "a further argument of the variant's builder; may be given several times")

    group = command.add_argument_group("recipe", "Its numbers, each the recipe's own unless said otherwise.")
    group.add_argument(
        "--recipe",
        default=recipe,
        metavar="R",
        help=f"deit, finetune, mae, or a .json file like theirs; default: {recipe}",
    )
    for name, (kind, letter, text) in NUMBERS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=letter, help=text)
    _pairs(group, "--augment", "a number of the augmentation, such as mixup=0.8; may be given several times")

    group = command.add_argument_group("run")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random; default: 0")
    group.add_argument(
        "--jit", action=argparse.BooleanOptionalAction, help="compile with XLA; default: as Keras sees fit"
    )
    return model


def _pairs(group, flag, text):
    group.add_argument(flag, type=_pair, action="append", default=[], metavar="KEY=VALUE", help=text)


def _pair(text):
    """("mixup", 0.8) of "mixup=0.8"; what is no JSON is a string."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: KEY=VALUE")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _validation(text):
    try:
        return float(text)
    except ValueError:
        return text


def _floats(text):
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed: numbers with commas between them") from None
