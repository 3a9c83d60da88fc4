"""The arguments of ``echosieve train``, and what it does with them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sieve.folder import held

if TYPE_CHECKING:
    from sieve.model import Model
    from sieve.train.backbone.library import Data
    from sieve.train.backbone.tuning import Tuning
    from sieve.train.bulletin import Bulletin

MOST_STEPS = 10_000_000
MOST_THREADS = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group(
        "what to train on (one of these)"
    ).add_mutually_exclusive_group()
    what.add_argument(
        "--recipe",
        choices=("demo", "demo-gpu", "rehearsal"),
        help="the built-in model, from nothing, on the synthetic world (default: demo, for two "
        "processor cores; demo-gpu is longer and wants --device cuda; rehearsal is a minute)",
    )
    what.add_argument(
        "--data", type=Path, metavar="FILE", help="clips with answers: JSON lines of messages"
    )
    what.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        help="media files without answers: the model with all tokens is the teacher",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="where the trained weights go"
    )
    parser.add_argument(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="checkpoints and journal; an interrupted run in it goes on (default: runs/train for "
        "a recipe, else runs/NAME-OF-OUT)",
    )
    parser.add_argument(
        "--threads",
        type=_whole(1, MOST_THREADS),
        default=2,
        help=f"processor threads, up to {MOST_THREADS} (default %(default)s)",
    )
    _add_tuning(parser)
    parser.set_defaults(refuse=parser.error)


def _add_tuning(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("with --data or --recordings")
    for name, more in _MODEL_OPTIONS.items():
        group.add_argument(name, **more)
    for flag in _FLAGS:
        group.add_argument(
            flag.name, dest=flag.setting, type=flag.type, metavar=flag.unit, help=flag.help
        )


_MODEL_OPTIONS: dict[str, dict[str, Any]] = {
    "--model": {"metavar": "DIR_OR_HUB_ID", "help": "a Qwen2.5-Omni (default: demo)"},
    "--sieve": {"metavar": "DIR", "help": "a sieve to begin from (default: the model's own)"},
    "--fresh": {
        "action": "store_true",
        "default": None,
        "help": "begin with a new sieve even where the model has one",
    },
    "--device": {"help": "cpu, cuda, cuda:1 ... (default: cpu)"},
    "--questions": {
        "type": Path,
        "metavar": "FILE",
        "help": "what recordings are asked, one question a line (default: a general list)",
    },
    "--config": {
        "type": Path,
        "metavar": "FILE",
        "help": "all settings as JSON, as training.json has them; options here come before it",
    },
}


@dataclass(frozen=True, slots=True)
class _Flag:
    """An option for one setting, named by its path in the settings."""

    name: str
    setting: str
    type: Callable[[str], int | float | str]
    unit: str
    help: str


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least} to {most}, not {text}"
            )
        return value

    return whole


def _real(above: float, most: float) -> Callable[[str], float]:
    def real(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = above
        if not above < value <= most:
            raise argparse.ArgumentTypeError(f"must lie in ({above:g}, {most:g}], not {text}")
        return value

    return real


def _one_of(*names: str) -> Callable[[str], str]:
    def name(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(names)}, not {text}")
        return text

    return name


_ESTIMATOR = _one_of("identity", "softmax", "sigmoid", "gumbel")
_STEPS = _whole(0, MOST_STEPS)
_FLAGS = (
    _Flag("--steps", "cs2.steps", _STEPS, "N", "of training the sieve, up to 10000000 (2000)"),
    _Flag("--full-steps", "full.steps", _STEPS, "N", "of training the decoder with all tokens "
          "before, with --data only, up to 10000000 (0)"),
    _Flag("--exchange-steps", "exchange.steps", _STEPS, "N", "of exchange-aware fine-tuning after, "
          "up to 10000000 (0)"),
    _Flag("--learning-rate", "cs2.learning_rate", _real(0, 1), "RATE", "of the sieve's stage, "
          "in (0, 1] (1e-4)"),
    _Flag("--accumulate", "cs2.accumulate", _whole(1, 4096), "N", "clips a step of the sieve's "
          "stage, up to 4096 (8)"),
    _Flag("--layers", "sieve.layers", _whole(1, 64), "N", "of a new sieve's refiner, up to 64 (4)"),
    _Flag("--estimator", "sieve.estimator", _ESTIMATOR, "NAME", "identity, softmax, sigmoid or "
          "gumbel (softmax)"),
    _Flag("--retention", "sieve.retention", _real(0, 1), "SHARE", "the sieve is to be used with, "
          "in (0, 1] (0.2)"),
    _Flag("--fps", "data.fps", _whole(1, 30), "N", "pictures a second, up to 30 (2)"),
    _Flag("--seed", "seed", _whole(0, 2**31 - 1), "N", "of everything that is drawn, up to "
          "2147483647 (0)"),
    _Flag("--save-every", "save_every", _whole(1, MOST_STEPS), "N", "steps between checkpoints, "
          "up to 10000000 (100)"),
    _Flag("--examine-every", "examine_every", _whole(1, MOST_STEPS), "N", "steps between "
          "examinations on held-out clips, up to 10000000 (500)"),
)  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Trains and writes the weights; returns a process exit code. Raises SieveError, OSError."""
    import torch

    torch.set_num_threads(args.threads)
    for name, folder in (("--out", args.out), ("--run", args.run)):
        if folder is not None and folder.exists() and not folder.is_dir():
            args.refuse(f"{name}: {folder} is a file; name a folder, which need not exist yet")
    if args.data is None and args.recordings is None:
        return _from_recipe(args)
    return _finetune(args)


def _from_recipe(args: argparse.Namespace) -> int:
    from sieve.train.demo.pipeline import train_recipe
    from sieve.train.demo.recipe import RECIPES
    from sieve.train.team import together

    tuned = [flag.name for flag in _FLAGS if getattr(args, flag.setting) is not None]
    given = tuned + [name for name in _MODEL_OPTIONS if getattr(args, name[2:]) is not None]
    given = [name for name in given if name != "--device"]
    if given:
        args.refuse(f"{given[0]} goes with --data or --recordings, not with a recipe")
    recipe, device = RECIPES[args.recipe or "demo"], args.device or "cpu"
    folder = args.run or Path("runs/train")
    members = args.threads if device == "cpu" else 1
    with held(folder):
        together(members, folder / "meet", train_recipe, recipe, folder, args.out, device)
    return 0


def _finetune(args: argparse.Namespace) -> int:
    from sieve.train.backbone.finetune import Finetuning
    from sieve.train.backbone.finished import claim_run, write
    from sieve.train.backbone.tuning import tuning_of
    from sieve.train.bulletin import Bulletin

    if args.questions is not None and args.recordings is None:
        args.refuse("--questions goes with --recordings")
    if args.fresh and args.sieve is not None:
        args.refuse("--fresh begins with a new sieve, --sieve with one that is there: give one")
    tuning = tuning_of(_settings(args))
    model = _model(args, tuning)
    args.out.mkdir(parents=True, exist_ok=True)
    folder = args.run or Path("runs") / args.out.resolve().name
    with held(folder):
        bulletin = Bulletin(folder / "journal.jsonl")
        data = _data(args, tuning, bulletin)
        claim_run(folder, tuning, _begin_from(args), data)
        training = Finetuning(model, tuning, data, folder, bulletin)
        use = write(training.finish(), tuning, args.model or "demo", args.out)
        bulletin.note("finished", f"trained; use it with: {use}")
    return 0


def _begin_from(args: argparse.Namespace) -> str:
    return f"{args.model or 'demo'}, sieve {'fresh' if args.fresh else args.sieve or 'its own'}"


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """The settings of the file, then those of the options."""
    from sieve.train.backbone.tuning import read_tuning

    settings = read_tuning(args.config) if args.config is not None else {}
    settings.pop("model", None)  # training.json tells it beside the settings
    for flag in _FLAGS:
        value = getattr(args, flag.setting)
        if value is not None:
            _put(settings, flag.setting.split("."), value)
    return settings


def _put(settings: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        settings = settings.setdefault(part, {})
        if not isinstance(settings, dict):
            return  # the check of the settings will tell
    settings[path[-1]] = value


def _data(args: argparse.Namespace, tuning: Tuning, bulletin: Bulletin) -> Data:
    from sieve.train.backbone.clips import LeftOut, read_clips
    from sieve.train.backbone.library import Data
    from sieve.train.backbone.recordings import GENERIC_QUESTIONS, cut_recordings, read_questions

    left_out: list[LeftOut] = []

    def report(what: LeftOut) -> None:
        left_out.append(what)
        bulletin.note("left out", str(what), where=what.where, why=what.why)

    if args.data is not None:
        clips = read_clips(args.data, report)
    else:
        asked = read_questions(args.questions) if args.questions else GENERIC_QUESTIONS
        each = tuning.teacher.questions
        clips = cut_recordings(args.recordings, asked, each, tuning.data, tuning.seed, report)
    bulletin.note("data", f"{len(clips)} clips, {len(left_out)} left out", clips=len(clips))
    return Data(clips, labelled=args.data is not None, left_out=left_out)


def _model(args: argparse.Namespace, tuning: Tuning) -> Model:
    import torch

    from sieve.checkpoint import load_model
    from sieve.errors import TrainingError
    from sieve.train.backbone.finetune import uses_bf16

    device = args.device or "cpu"
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device {device}: {str(error).splitlines()[0]}") from error
    dtype = torch.bfloat16 if uses_bf16(tuning, torch.device(device).type) else torch.float32
    model = load_model(
        args.model or "demo",
        sieve=None if args.fresh else args.sieve,
        device=device,
        dtype=dtype,
        sync_rope_sections=tuning.sieve.sync_rope,
    )
    return replace(model, cs2=None) if args.fresh else model
