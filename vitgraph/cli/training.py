"""Training: `vitgraph train`, `vitgraph pretrain`."""

import argparse
import pathlib
import sys

from vitgraph.cli.arguments import add_command, add_pairs, input_size, number_or_text, numbers

TRAIN_EXAMPLES = """\
IMAGES is a folder with one folder of images per class, or a manifest: a table (.csv, .tsv, .jsonl, .parquet) with a
column "image" of paths and a column "label". DIR gets history.csv, tensorboard/, run.json (all settings),
last.safetensors (what training resumes from), best.safetensors (the weights of the best epoch), and at the end
report.html (curves, confusion matrix, the most wrong images), model.keras and weights.safetensors. After an
interruption at any moment, the same command resumes from the last state, which is kept after each epoch and every
--save-minutes, and ends as if it hadn't been interrupted. SIGTERM is answered by keeping the state, and by the exit
code 143.

examples:
  vitgraph train vit_small_patch16_224 flowers --validation 0.1 --out small --batch-size 256 --epochs 100
  vitgraph train pvt_v2_b0 flowers/train --validation flowers/val --out tuned --weights in1k --recipe finetune \\
      --batch-size 64 --epochs 20 --dtype mixed_bfloat16
  vitgraph train vit_base_patch16_224 flowers --out tuned --weights mae/weights.safetensors --recipe finetune \\
      --accumulation 8 --augment mixup=0.0 --model global_pool=avg
"""

PRETRAIN_EXAMPLES = """\
IMAGES is a folder of images at any depth, or a manifest; classes aren't used. DIR gets the same files as with `vitgraph
train`, which takes the result by --weights DIR/weights.safetensors.

examples:
  vitgraph pretrain vit_base_patch16_224 photographs --out mae --accumulation 16
  vitgraph pretrain vit_small_patch16_224 photographs --out simmim --objective simmim --batch-size 512 --epochs 100 \\
      --warmup-epochs 10 --objective-argument masking_ratio=0.6
"""

NUMBERS = {  # arguments of `Recipe`
    "epochs": (int, "N", "passes over the images"),
    "batch_size": (int, "N", "images per update of the weights"),
    "accumulation": (int, "N", "parts in which a batch goes through the net, to save memory"),
    "base_learning_rate": (float, "R", "the learning rate is R * batch size / base batch size"),
    "base_batch_size": (int, "N", "batch size that the base learning rate is for"),
    "min_learning_rate": (float, "R", "learning rate at the end"),
    "warmup_epochs": (float, "N", "epochs in which the learning rate rises"),
    "warmup_learning_rate": (float, "R", "learning rate from which it rises"),
    "optimizer": (str, "NAME", "adamw or lamb"),
    "weight_decay": (float, "D", "decay of kernels; norms, biases, tokens and tables have none"),
    "beta_1": (float, "B", "the optimizer's decay of the mean of gradients"),
    "beta_2": (float, "B", "the optimizer's decay of the mean of squared gradients"),
    "epsilon": (float, "E", "the optimizer's epsilon"),
    "clip_norm": (float, "N", "largest norm of all gradients together"),
    "layer_decay": (float, "D", "each block's learning rate, relative to that of the block after it"),
    "ema_momentum": (float, "M", "momentum of a moving average of the weights, which is what is kept in the end"),
    "loss": (str, "NAME", "softmax, or binary: each class by itself"),
    "label_smoothing": (float, "S", "share of each label that is spread over all classes"),
    "drop_rate": (float, "P", "dropout before the head"),
    "drop_path_rate": (float, "P", "stochastic depth of the last block; earlier ones have less"),
}


def add_commands(commands):
    command = add_command(commands, train, "train", "train a classifier on a folder of images, or resume that")
    _add_arguments(command, "deit", TRAIN_EXAMPLES)

    command = add_command(commands, pretrain, "pretrain", "pre-train a net on images without classes, or resume that")
    group = _add_arguments(command, "mae", PRETRAIN_EXAMPLES)
    group.add_argument(
        "--objective",
        default="masked_autoencoder",
        metavar="NAME",
        help="masked_autoencoder (default), simmim, masked_patch_prediction, byol or dino",
    )
    add_pairs(group, "--objective-argument", "an argument of the objective; may be given several times")


def train(args):
    from vitgraph.training import train

    return _run(args, train)


def pretrain(args):
    from vitgraph.training import pretrain

    return _run(args, pretrain, objective=args.objective, objective_arguments=dict(args.objective_argument))


def _run(args, function, **options):
    """The exit code: 130 after an interruption, 1 if the loss is no longer finite."""
    if (args.mean is None) != (args.std is None):
        raise ValueError("--mean and --std go together")
    overrides = {name: getattr(args, name) for name in NUMBERS if getattr(args, name) is not None}
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
            save_minutes=args.save_minutes or None,
            model_arguments=dict(args.model),
            augmentation=dict(args.augment),
            **overrides,
            **options,
        )
    except KeyboardInterrupt:
        print(f"\nvitgraph {args.command}: interrupted; {_how_to_resume(args.out)}", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        print(f"\nvitgraph {args.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _how_to_resume(out):
    from vitgraph.training.checkpoint import read_state
    from vitgraph.training.folder import LAST, said

    state = read_state(pathlib.Path(out, LAST))
    if state is None:
        return "no state was kept: the same command starts again"
    return f"the same command resumes after {said(state)}"


def _add_arguments(command, recipe, examples):
    """The arguments of both commands; returns the group about the model."""
    command.epilog, command.formatter_class = examples, argparse.RawDescriptionHelpFormatter
    command.add_argument("name", help="one of `vitgraph list`")
    command.add_argument("images", help="the folder of images, or a manifest")
    command.add_argument("--out", required=True, metavar="DIR", help="the folder for everything that is written")
    _add_images(command.add_argument_group("images"))

    model = command.add_argument_group("model")
    model.add_argument("--weights", metavar="W", help="a checkpoint or timm's tag to start from; default: random")
    model.add_argument("--dtype", metavar="POLICY", help="such as mixed_bfloat16; default: float32")
    add_pairs(model, "--model", "a further argument of the variant's builder; may be given several times")

    group = command.add_argument_group("recipe", "Numbers without a default are the recipe's own.")
    names = f"beit-finetune, deit, deit3, dino, finetune, mae, swin, or a .json file like theirs; default: {recipe}"
    group.add_argument("--recipe", default=recipe, metavar="R", help=names)
    for name, (kind, letter, text) in NUMBERS.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=letter, help=text)
    add_pairs(group, "--augment", "a number of the augmentation, such as mixup=0.8; may be given several times")

    group = command.add_argument_group("run")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="seed of everything random; default: 0")
    text = "minutes between checkpoints inside an epoch; 0: none inside; default: 10"
    group.add_argument("--save-minutes", type=float, default=10.0, metavar="M", help=text)
    group.add_argument("--jit", action=argparse.BooleanOptionalAction, help="compile with XLA; default: Keras decides")
    return model


def _add_images(group):
    group.add_argument(
        "--validation",
        type=number_or_text,
        metavar="V",
        help="a folder, a manifest, or the share of IMAGES that is held out: 0.1",
    )
    group.add_argument(
        "--input-size", type=input_size, metavar="SIZE", help="384, or 384x256 (height x width); default: the variant's"
    )
    group.add_argument("--channels", type=int, default=3, metavar="N", help="channels of the images; default: 3")
    group.add_argument(
        "--mean",
        type=numbers,
        metavar="M",
        help="mean of pixels from 0 to 1, or one per channel: 0.5,0.4,0.3; default: as the published weights want it, "
        "or ImageNet's",
    )
    group.add_argument("--std", type=numbers, metavar="S", help="standard deviation of pixels, likewise")
    group.add_argument("--skip-unreadable", action="store_true", help="leave out files that can't be read")
