"""Train on scikit-learn's handwritten digits: a multilayer network and a small convolutional one.

    python examples/train_digits.py [--quick] [--output FILE.svg]

Prints a progress bar, the accuracy on held-out images, the time of an epoch and the peak memory of a
step with and without checkpoint, and saves the loss curves as a picture.
"""

import argparse
import sys
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import wengert as wg
from wengert import nn, optim

WANTED = 0.97


def leaves(params):
    """The arrays of a list of dicts as Tensors that gradients are accumulated in."""
    return [{name: wg.tensor(value, requires_grad=True) for name, value in layer.items()} for layer in params]


def multilayer(random):
    """64 pixels, two hidden layers with GELU (whose intermediates recomputation saves), ten classes."""
    sizes = (64, 256, 128, 10)
    params = leaves(nn.linear_parameters(random, a, b) for a, b in pairwise(sizes))

    def scores(images, params, training, wrap):
        h = images.reshape(len(images), 64)
        for layer in params[:-1]:
            h = wrap(lambda h, layer=layer: nn.gelu(nn.linear(h, **layer)))(h)
            h = nn.dropout(h, 0.1, random, training=training)
        return nn.linear(h, **params[-1])

    return params, scores


def convolutional(random):
    """Two convolutions, each followed by pooling, and a linear map."""
    params = leaves(
        [
            nn.conv2d_parameters(random, 1, 16, 3),
            nn.conv2d_parameters(random, 16, 32, 3),
            nn.linear_parameters(random, 128, 10),
        ]
    )

    def scores(images, params, training, wrap):
        h = images.reshape(len(images), 1, 8, 8)
        for layer in params[:2]:
            h = wrap(lambda h, layer=layer: nn.max_pool2d(nn.conv2d(h, **layer, padding=1).relu()))(h)
        return nn.linear(h.reshape(len(images), 128), **params[2])

    return params, scores


def batches(images, labels, size, random):
    order = random.permutation(len(images))
    for k in range(0, len(order), size):
        chosen = order[k : k + size]
        yield wg.tensor(images[chosen]), labels[chosen]


def bar(done, total, text):
    if sys.stderr.isatty():
        filled = round(30 * done / total)
        end = "\n" if done == total else ""
        print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {done}/{total} {text}", end=end, file=sys.stderr, flush=True)


def train(make, data, epochs, seed=0):
    """Train one network; returns its losses by epoch, its accuracy, and seconds per epoch."""
    images, test_images, labels, test_labels = data
    random = np.random.default_rng(seed)
    params, scores = make(random)
    optimizer = optim.AdamW([t for layer in params for t in layer.values()], learning_rate=3e-3)
    losses = []
    start = time.perf_counter()
    for epoch in range(epochs):
        total = 0.0
        for x, y in batches(images, labels, 64, random):
            optimizer.zero_grad()
            loss = nn.cross_entropy(scores(x, params, True, lambda f: f), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        losses.append(total / len(labels))
        optimizer.learning_rate *= 0.93
        bar(epoch + 1, epochs, f"loss {losses[-1]:.4f}")
    seconds = (time.perf_counter() - start) / epochs
    with wg.no_grad():
        found = nn.accuracy(scores(wg.tensor(test_images), params, False, lambda f: f), test_labels)
    return losses, found, seconds


def peak_of_a_step(make, data, wrap):
    """Peak bytes of one forward and backward pass on all training images."""
    images, _, labels, _ = data
    params, scores = make(np.random.default_rng(0))
    x = wg.tensor(images)

    def step():
        nn.cross_entropy(scores(x, params, True, wrap), labels).backward()

    step()
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def picture(curves, path):
    """The loss curves as an SVG, on a logarithmic scale."""
    width, height, edge = 640, 400, 50
    values = [v for curve in curves.values() for v in curve]
    low, high = np.log10(min(values)), np.log10(max(values))
    longest = max(map(len, curves.values()))

    def place(k, v):
        x = edge + (width - 2 * edge) * k / max(1, longest - 1)
        y = height - edge - (height - 2 * edge) * (np.log10(v) - low) / max(1e-9, high - low)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<path d="M{edge},{edge} V{height - edge} H{width - edge}" fill="none" stroke="black"/>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">epoch (1 to {longest})</text>',
        f'<text x="{edge}" y="{edge - 14}">loss (logarithmic, {min(values):.3g} to {max(values):.3g})</text>',
    ]
    for k, ((name, curve), colour) in enumerate(zip(curves.items(), ("#1f5fa8", "#c4501b"), strict=False)):
        points = " ".join(place(i, v) for i, v in enumerate(curve))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines.append(f'<text x="{width - edge}" y="{edge + 18 * k}" text-anchor="end" fill="{colour}">{name}</text>')
    Path(path).write_text("\n".join([*lines, "</svg>\n"]), encoding="utf-8")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few epochs")
    parser.add_argument("--output", default="digits_loss.svg", help="where the loss curves go")
    options = parser.parse_args(arguments)
    images, labels = load_digits(return_X_y=True)
    data = train_test_split(images / 16.0, labels, test_size=0.2, random_state=0, stratify=labels)
    curves, good = {}, True
    for name, make in (("multilayer", multilayer), ("convolutional", convolutional)):
        losses, found, seconds = train(make, data, 12 if options.quick else 30)
        stored, saved = (peak_of_a_step(make, data, wrap) for wrap in (lambda f: f, wg.checkpoint))
        print(
            f"{name}: accuracy {100 * found:.1f} %, {seconds:.3f} s per epoch, "
            f"peak {stored / 1e6:.1f} MB, with checkpoint {saved / 1e6:.1f} MB"
        )
        curves[name] = losses
        good &= found >= WANTED
    picture(curves, options.output)
    print(f"loss curves: {options.output}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
