"""A small language model of this project's own text: Muon and AdamW in one optimizer, against AdamW alone.

Both have the same start, batches, schedule, weight decay and number of steps. The lr of each is chosen from one list,
by runs on a seed kept for that; then both are run on other seeds, and what comes out is printed and drawn.

    python examples/muon_language_model.py
    python examples/muon_language_model.py --steps 1000 --picture curves.png
"""

import argparse
import time
from pathlib import Path
from statistics import mean

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

import paramgroups as pg
from paramgroups.tables import Table

ROOT = Path(__file__).parents[1]
WIDTH, LAYERS, HEADS, CONTEXT = 64, 3, 4, 64
BATCH, BYTES = 16, 256
RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
CHOOSING = 0  # the seed on which lrs are chosen; it is not among those that are reported


class Block(nn.Module):
    """Attention, then a feed-forward layer, each on what was normalized and added to what came in."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key, self.value, self.mix = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        normed = self.norm1(x)
        q, k, v = (
            each(normed).unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in (self.query, self.key, self.value)
        )
        attended = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(attended.transpose(1, 2).flatten(-2))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class LanguageModel(nn.Module):
    """Says how likely each byte is to come next."""

    def __init__(self):
        super().__init__()
        self.bytes, self.positions = nn.Embedding(BYTES, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, BYTES, bias=False)

    def forward(self, text):
        x = self.bytes(text) + self.positions.weight[: text.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def adamw(model, lr):
    """AdamW for everything, without decay where the other has none."""
    vectors = pg.Rule(pg.NORMS | pg.BIASES | pg.Ndim(at_most=1), name="vectors", weight_decay=0.0)
    return pg.Plan(vectors, lr=lr, weight_decay=0.1).build(model, pg.optim.AdamW, betas=(0.9, 0.95))


def muon_and_adamw(model, lr):
    """Muon for the matrices in the blocks, AdamW for the rest; one lr serves both."""
    algorithms = {"muon": pg.optim.Muon, "adamw": pg.optim.AdamW}
    return pg.plans.muon(model, lr=lr).build(model, algorithms, default="adamw", betas=(0.9, 0.95))


OPTIMIZERS = {"AdamW": adamw, "Muon + AdamW": muon_and_adamw}


def project_text():
    """The README and the documents: every tenth kilobyte is held out, the rest is trained on."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    text = torch.frombuffer(bytearray(b"\n".join(file.read_bytes() for file in files)), dtype=torch.uint8).long()
    pieces = text.split(1024)
    return torch.cat([piece for i, piece in enumerate(pieces) if i % 10]), torch.cat(pieces[::10])


def windows(text, starts):
    """What the model reads from each start, and what comes next."""
    found = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return found[:, :-1], found[:, 1:]


def loss_of(model, text, starts):
    """Mean cross-entropy, in nats a byte."""
    inputs, following = windows(text, starts)
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), following.flatten())


@torch.no_grad()
def held_out_loss(model, text):
    """The loss on the whole of the text that is held out."""
    return float(loss_of(model, text, torch.arange(0, len(text) - CONTEXT, CONTEXT)))


def train(make, lr, seed, *, steps, texts, tick):
    """One run: the held-out loss before, at times during, and after it, and how many seconds its updates took."""
    torch.manual_seed(seed)
    model, (trained, held_out) = LanguageModel(), texts
    optimizer = make(model, lr)
    pg.Scheduler(optimizer, lr=pg.Warmup("10%").then(pg.Cosine("rest")), horizon=pg.Horizon(steps=steps))
    curve, seconds = {0: held_out_loss(model, held_out)}, 0.0
    for step in range(1, steps + 1):
        loss = loss_of(model, trained, torch.randint(len(trained) - CONTEXT, (BATCH,)))
        optimizer.zero_grad()
        loss.backward()
        start = time.perf_counter()
        optimizer.step()
        seconds += time.perf_counter() - start
        if step % max(1, steps // 15) == 0 or step == steps:
            curve[step] = held_out_loss(model, held_out)
        tick()
    return curve, seconds


def compare(rates, seeds, steps, texts, progress):
    """For each optimizer: the last loss at each lr, the best lr, and the runs with it on each seed."""
    task = progress.add_task("", total=len(OPTIMIZERS) * (len(rates) + len(seeds)) * steps)
    found = {}
    for title, make in OPTIMIZERS.items():

        def run(lr, seed, title=title, make=make):
            progress.update(task, description=f"{title}, lr {lr:g}, seed {seed}")
            return train(make, lr, seed, steps=steps, texts=texts, tick=lambda: progress.advance(task))

        ends = {lr: run(lr, CHOOSING)[0][steps] for lr in rates}
        best = min(ends, key=ends.get)
        found[title] = ends, best, [run(best, seed) for seed in seeds]
    return found


def report(found, steps):
    """What came out, as text."""
    rows, notes = [], []
    for title, (ends, best, runs) in found.items():
        last = [curve[steps] for curve, _ in runs]
        update = f"{1000 * mean(seconds for _, seconds in runs) / steps:.1f}"
        rows.append((title, f"{best:g}", f"{mean(last):.3f}", f"{min(last):.3f}–{max(last):.3f}", update))
        notes.append(f"{title}, choosing an lr: " + ", ".join(f"{lr:g} → {loss:.3f}" for lr, loss in ends.items()))
        if best in {min(ends), max(ends)}:
            notes.append(f"The best lr of {title} is at the end of the list: a better one may lie beyond.")
    columns = ("optimizer", "lr", "held-out loss, nats a byte", "of the seeds", "update, ms")
    return Table(columns, tuple(rows), notes=tuple(notes))


def draw(found, path):
    """The curves: the mean over the seeds, and a band from the lowest to the highest."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for title, (_, best, runs) in found.items():
        steps = list(runs[0][0])
        losses = [[curve[step] for curve, _ in runs] for step in steps]
        (line,) = axes.plot(steps, list(map(mean, losses)), label=f"{title}, lr {best:g}")
        axes.fill_between(steps, list(map(min, losses)), list(map(max, losses)), color=line.get_color(), alpha=0.25)
    axes.set(xlabel="step", ylabel="held-out loss, nats a byte", title=f"Mean and range of {len(runs)} seeds")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, help="updates in each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each optimizer with its best lr")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2], help="lrs to try"
    )
    parser.add_argument("--picture", type=Path, help="where to draw the curves")
    options = parser.parse_args(arguments)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns[1:], console=Console(stderr=True)) as progress:
        found = compare(options.rates, range(1, options.seeds + 1), options.steps, project_text(), progress)
    print(report(found, options.steps))
    if options.picture:
        draw(found, options.picture)
    return found


if __name__ == "__main__":
    main()
