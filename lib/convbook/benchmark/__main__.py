"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from convbook.benchmark import conv, training
from convbook.benchmark._rounds import advice, processor
from convbook.shapes import _integer


def _positive(text: str) -> int:
    try:
        return _integer(int(text), "number", 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected an integer of at least 1") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark that the command line names, print its table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m convbook.benchmark", description=__doc__)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    learn = benchmarks.add_parser("training", help="fit of LeNet: images per second here, in Keras and in PyTorch")
    learn.add_argument(
        "--images", type=_positive, default=12800, help="images to train on in each turn (default 12800)"
    )
    learn.add_argument("--batch-size", type=_positive, default=64, help="images to a step (default 64)")
    layers = [layer.name for layer in conv.LAYERS]
    convolve = benchmarks.add_parser("conv", help="convolutions of known networks, and their gradients")
    convolve.add_argument("--layers", nargs="+", choices=layers, default=layers, metavar="LAYER", help="not all twelve")
    convolve.add_argument("--competitors", nargs="+", choices=list(conv.COMPETITORS), metavar="NAME", help="not all")
    convolve.add_argument("--picture", type=Path, help="also draw the forward times into this file")
    for one, competitors in ((learn, training.COMPETITORS), (convolve, conv.COMPETITORS)):
        one.add_argument("--rounds", type=_positive, default=5, help="how often each competitor runs (default 5)")
        one.add_argument("--json", type=Path, help="also write the results into this file")
        one.add_argument("--turn", choices=list(competitors), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    training_asked = options.benchmark == "training"
    if options.turn:  # this process is one competitor's turn: its measurement is the last line it prints
        one_turn = (
            training.turn(options.turn, options.images, options.batch_size)
            if training_asked
            else conv.turn(options.turn, options.layers)
        )
        print(json.dumps(one_turn))
        return 0
    if training_asked:
        results = training.run(options.rounds, options.images, options.batch_size)
        print(training.table(results))
    else:
        results = conv.run(options.rounds, options.layers, options.competitors)
        print(conv.table(results))
        if options.picture:
            conv.picture(results, options.picture)
    print(advice(results["machine"]["kernels"], processor()), end="")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
