"""./calltrace bench plot: draws docs/bench.svg from the last whole run of the bench."""

import argparse
import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402  (the backend comes first)

from bench import _report  # noqa: E402
from support import paths  # noqa: E402

RATES = [("bulk", "bulk, 8 connections"), ("bulk-64", "bulk, 64 connections"), ("bulk-http", "bulk, plain HTTP"), ("bulk-gzip", "bulk, gzip"), ("bulk-json", "bulk, JSON"),
         ("bulk-256", "bulk, 256 connections"), ("small", "small"), ("collector", "collector")]
LOADS = [("bulk-10", "10 %"), ("bulk-50", "50 %"), ("bulk-90", "90 %")]
PARTS = [("api", "#4c72b0"), ("correlator", "#dd8452"), ("postgres", "#55a868"), ("redis", "#c44e52")]


def parse():
    parser = argparse.ArgumentParser(prog="calltrace bench plot", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=_report.OUT / "all.json", help="what a run of the bench wrote")
    parser.add_argument("--out", type=Path, default=paths.ROOT / "docs" / "bench.svg")
    return parser.parse_args()


def present(summary, rows, figure):
    return [(case, text) for case, text in rows if figure in summary.get(case, {})]


def medians(summary, rows, figure):
    return [summary[case][figure]["median"] for case, _ in rows]


def errors(summary, rows, figure):
    """Least and most as distances from the median."""
    values = [summary[case][figure] for case, _ in rows]
    return [[v["median"] - v["min"] for v in values], [v["max"] - v["median"] for v in values]]


def draw_rates(axes, summary):
    rows = present(summary, RATES, "durable spans/s")[::-1]
    axes.barh([text for _, text in rows], medians(summary, rows, "durable spans/s"),
              xerr=errors(summary, rows, "durable spans/s"), color="#4c72b0", ecolor="#333333", capsize=2)
    axes.set_title("durable spans a second, HTTPS")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f} k")


def draw_costs(axes, summary):
    rows = present(summary, RATES, "CPU s a million spans: api")[::-1]
    left = [0.0] * len(rows)
    for name, color in PARTS:
        values = medians(summary, rows, f"CPU s a million spans: {name}")
        axes.barh([text for _, text in rows], values, left=left, label=name, color=color)
        left = [a + b for a, b in zip(left, values)]
    axes.set_title("CPU seconds a million spans")
    axes.set_yticklabels([])
    axes.legend(fontsize=8)


def draw_links(axes, summary):
    rows = present(summary, LOADS, "time to link p99, ms")
    for figure, text, color in (("time to link p50, ms", "p50", "#55a868"), ("time to link p99, ms", "p99", "#c44e52")):
        axes.errorbar([text for _, text in rows], medians(summary, rows, figure), yerr=errors(summary, rows, figure),
                      label=text, color=color, marker="o", capsize=3)
    axes.set_title("time to link, ms, at a share of the most")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def draw_growth(axes, points):
    stored = [max(point["stored"], 100_000) for point in points]
    axes.plot(stored, [point["spans_per_s"] for point in points], marker="o", color="#4c72b0")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f} k")
    axes.set_title("durable spans a second by spans stored")


def main():
    arguments = parse()
    if not arguments.data.exists():
        raise SystemExit(f"{arguments.data} is not there: run ./calltrace bench first")
    data = json.loads(arguments.data.read_text())
    growth = data["runs"].get("growth")
    pyplot.rcParams.update({"font.size": 9, "svg.hashsalt": "calltrace", "svg.fonttype": "none"})
    has_links = len(present(data["summary"], LOADS, "time to link p99, ms")) > 1
    lines = 1 + (has_links or bool(growth))  # a run of some cases has no second line
    figure, axes = pyplot.subplots(lines, 2, figsize=(9.5, 2.8 * lines), layout="constrained", squeeze=False)
    draw_rates(axes[0][0], data["summary"])
    draw_costs(axes[0][1], data["summary"])
    for place in axes[1] if lines > 1 else []:
        place.set_axis_off()
    if has_links:
        axes[1][0].set_axis_on()
        draw_links(axes[1][0], data["summary"])
    if growth:
        axes[1][1].set_axis_on()
        draw_growth(axes[1][1], growth[0]["points"])
    machine = data["machine"]
    figure.supxlabel(f"{machine['cores']} cores of {machine['cpu']}, the generator beside the servers, Postgres"
                     f" {machine['postgres']['server_version'].split()[0]}, fsync on; calltrace {machine['calltrace']}",
                     fontsize=8)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out, metadata={"Date": None})
    print(f"drew {arguments.out}")


if __name__ == "__main__":
    sys.exit(main())
