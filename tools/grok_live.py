"""The figure and the numbers of the page *Grok live*: its presets, run in node over ten seeds.

    python tools/grok_live.py [SEEDS]

It writes book/_static/grok-live.png and prints the table of the page: median and range of the steps
at which the training and the test accuracy come to hold 95 %, the collapsed share and the test
accuracy at the end, and the CPU seconds of the longest run.
"""

import json
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("agg")

from grokbook import curves, figures

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "book" / "_scripts" / "explorers"
RUN = f"""
import {{ PRESETS }} from "{(FOLDER / "grok-live.js").as_uri()}";
import {{ Trainer, due }} from "{(FOLDER / "mlp.js").as_uri()}";
for (const {{ name, setting }} of PRESETS) {{
  for (let seed = 0; seed < Number(process.argv[1]); seed += 1) {{
    const trainer = new Trainer({{ ...setting, seed }}), records = [], from = process.cpuUsage();
    while (trainer.step < setting.steps && !trainer.ended) {{
      const record = trainer.advance(due(trainer.step));
      if (record) records.push(record);
    }}
    records.push(trainer.look());
    const {{ user, system }} = process.cpuUsage(from);
    console.log(JSON.stringify({{ name, seed, records, seconds: (user + system) / 1e6 }}));
  }}
}}
"""


def runs(seeds):
    """Records of every preset and seed: {name: [run, …]}."""
    command = ["node", "--input-type=module", "-e", RUN, str(seeds)]
    found = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
        for line in process.stdout:
            run = json.loads(line)
            found.setdefault(run["name"], []).append(run)
            print(run["name"], run["seed"], *times(run), file=sys.stderr, flush=True)
    if process.returncode:
        raise SystemExit("node failed")
    return found


def column(run, name):
    """One record of a run, an array over its steps."""
    return np.array([one[name] for one in run["records"]])


def times(run):
    """Steps of 95 % training and test accuracy."""
    step = column(run, "step")
    names = ("trainAccuracy", "testAccuracy")
    return [float(curves.crossing_time(step, column(run, name), 0.95)) for name in names]


def spread(values, form):
    """Median and range, in words."""
    if not np.all(np.isfinite(values)):
        return f"never in {np.sum(~np.isfinite(values))} of {len(values)}"
    low, middle, high = (form.format(one) for one in np.quantile(values, (0, 0.5, 1)))
    return f"{middle} ({low} to {high})"


def row(name, found):
    """One preset's line of the table."""
    memorised, generalised = np.array([times(run) for run in found]).T
    last = [run["records"][-1] for run in found]
    return " | ".join(
        [
            f"| {name}",
            spread(memorised, "{:.0f}"),
            spread(generalised, "{:.0f}"),
            spread([one["collapsed"] for one in last], "{:.2f}"),
            spread([one["testAccuracy"] for one in last], "{:.2f}"),
            f"{max(run['seconds'] for run in found):.1f} |",
        ]
    )


def draw(found):
    """Seed 0 of each preset: accuracies and the share of collapsed samples."""
    figure, panels = figures.panels(2, 3, height=2.3, sharey=True)
    for axes, (name, all_seeds) in zip(panels.flat, found.items(), strict=False):
        run = all_seeds[0]
        step = np.maximum(column(run, "step"), 0.8)
        for part in ("train", "test"):
            axes.plot(step, column(run, f"{part}Accuracy"), **figures.LINE[part])
        axes.plot(step, column(run, "collapsed"), color="#a23e7c", linewidth=1.2)
        axes.set(xscale="log", xlim=(1, None), ylim=(-0.03, 1.05), title=name, xlabel="step")
    axes = panels.flat[len(found)]
    axes.axis("off")
    for style, label in (("train", "training accuracy"), ("test", "test accuracy")):
        axes.plot([], [], label=label, **figures.LINE[style])
    axes.plot([], [], color="#a23e7c", linewidth=1.2, label="collapsed samples")
    axes.legend(loc="center", frameon=False)
    figure.savefig(ROOT / "book" / "_static" / "grok-live.png", dpi=160, bbox_inches="tight")


def main():
    """Run, draw, print."""
    figures.use_style()
    found = runs(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
    print("| preset | training 95 % | test 95 % | collapsed | test accuracy | CPU s |")
    for name, all_seeds in found.items():
        print(row(name, all_seeds))
    draw(found)


if __name__ == "__main__":
    main()
