"""Draw the README's picture: four groups on a warm-up then cosine, and on a rising weight decay.

python -m tools.docs_schedule
"""

from pathlib import Path

import torch

import paramgroups as pg

ROOT = Path(__file__).parents[1]


def main():
    model = torch.nn.ModuleDict(
        {
            "backbone": torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.LayerNorm(64)),
            "head": torch.nn.Linear(64, 10),
        }
    )
    plan = pg.Plan(
        pg.Rule(pg.NORMS | pg.BIASES, weight_decay=0.0, name="no_decay"),
        pg.Rule("backbone.*", lr=pg.Times(0.1)),
        lr=3e-4,
        weight_decay=0.05,
    )
    scheduler = pg.Scheduler(
        plan.build(model, torch.optim.AdamW),
        lr=pg.Warmup("5%").then(pg.Cosine("rest", end=0.01)),
        weight_decay=pg.Linear("100%", start=1.0, end=2.0),
        horizon=pg.Horizon(steps=1000),
    )
    path = ROOT / "docs" / "images" / "schedule.png"
    pg.plot(scheduler, path=path)
    print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
