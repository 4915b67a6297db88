"""The figures as lines of text, as tables of Markdown, and as a plot in SVG. Measures nothing."""
import collections
import html
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess

Goal = collections.namedtuple("Goal", "name unit value")

# medians, figures and delays are by the contestant's name, figures in the order of the rounds.
# goals are in the order of PEERS, None where there is none.
Result = collections.namedtuple("Result", "name unit goals medians figures delays")

US, PEERS = "this proxy", ("HAProxy", "nginx", "relay")
TOLERANCE = 1.05                        # times a goal: what rounds differ by
BEGIN, END = "<!-- figures: written by make bench -->\n", "<!-- end of figures -->\n"
COLUMNS = (US, "HAProxy", "nginx", "relay", "HAProxy, delaying", "HAProxy, 64 KiB", "nginx, 64 KiB")
COLOURS = {US: "#1b7f5c", "HAProxy": "#3b6fb6", "nginx": "#b0662f", "relay": "#8a8a8a"}


def ratio(result, peer):
    """The median of the ratios within a round; None: the peer was not there."""
    if peer not in result.figures:
        return None
    return statistics.median(a / b for a, b in zip(result.figures[US], result.figures[peer]))


def verdict(result, peer, goal):
    r = ratio(result, peer)
    if r is None:
        return ""
    return f"{r:.2f}" + ("" if goal is None
                         else f" (goal {goal:.2f}{'' if r <= goal else ', missed'})")


def number(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def line(result):
    """A row's result as text for a terminal."""
    medians = "  ".join(f"{name} {number(value)}" for name, value in result.medians.items())
    text = [f"{result.name} [{result.unit}]: {medians}",
            "    " + "  ".join(f"x {peer} {verdict(result, peer, goal)}"
                               for peer, goal in zip(PEERS, result.goals)
                               if peer in result.figures)]
    if result.delays:
        text.append("    added delay, p50 p99 max in us: "
                    + "  ".join(f"{n} {' '.join(f'{v:.0f}' for v in d)}"
                                for n, d in result.delays.items()))
    return "\n".join(text)


def memory_line(result, goal):
    shown = "  ".join(f"{n} {v:.2f}" for n, v in result.medians.items())
    return f"{result.name} [{result.unit}]: {shown}  (goal {goal.value:g})"


def times_one(workers):
    """The work that two workers do in the time of one, by what the busier of them has to do."""
    return workers[1]["cost"] / workers[2]["cost"] / workers[2]["share"]


def missed(results, workers, memory, two):
    """A line for each goal that is missed by more than rounds differ."""
    lines = []
    for r in results:
        for peer, goal in zip(PEERS, r.goals):
            if goal is not None and peer in r.figures and ratio(r, peer) > goal * TOLERANCE:
                lines.append(f"{r.name}: {ratio(r, peer):.2f} x {peer}, goal {goal:.2f}")
        if r.name == memory.name and r.medians[US] > memory.value * TOLERANCE:
            lines.append(f"{r.name}: {r.medians[US]:.2f} {memory.unit}, goal {memory.value:g}")
    if workers and times_one(workers) < two.value / TOLERANCE:
        lines.append(f"{two.name}: {times_one(workers):.2f} {two.unit}, goal {two.value:g}")
    return lines


def workers_line(workers):
    one, two = workers[1], workers[2]
    return (f"two workers: {one['cost']:.2f} us/request with one, {two['cost']:.2f} with two, of "
            f"which the busier does {two['share']:.0%}: "
            f"work for {times_one(workers):.2f} times one; requests/s "
            f"{one['rate']:.0f} and {two['rate']:.0f}")


def first(pattern, *command):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True).stdout
    return re.search(pattern, out)[0]


def setup(binary, congestion, rounds, seconds):
    """Where and with what the figures were made, as lines of Markdown."""
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    path = f"{os.environ['PATH']}:/usr/sbin"
    nginx, haproxy = (shutil.which(program, path=path) for program in ("nginx", "haproxy"))
    return [
        f"- Machine: {model[1] if model else platform.machine()}, {os.cpu_count()} processors, "
        f"Linux {platform.release()}; "
        f"congestion control {system if congestion == 'system' else congestion}, the machine's "
        f"own is {system}.",
        f"- Versions: {first(r'nginx/[0-9.]+', nginx, '-v')}, HAProxy "
        f"{first(r'(?<=ersion )[0-9.]+', haproxy, '-v')}, {first(r'wrk [^ ]+', 'wrk', '-v')}, "
        f"{first(r'OpenSSL [0-9.]+', 'openssl', 'version')}; this proxy with "
        f"{first(r'(?i)mbed ?tls [0-9.]+', binary, '-V')}.",
        f"- Command: `make bench BENCH_ARGS='--rounds {rounds} --seconds {seconds} --congestion "
        f"{congestion} --out docs'`.",
    ]


def table(head, rows):
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
                     + [f"| {' | '.join(r)} |" for r in rows]) + "\n"


def work_table(results):
    used = [c for c in COLUMNS if any(c in r.medians for r in results)]
    rows = []
    for r in results:
        cells = [number(r.medians[c]) if c in r.medians else "" for c in used]
        rows.append([r.name, r.unit, *cells,
                     *(verdict(r, peer, goal) for peer, goal in zip(PEERS, r.goals))])
    return table(["work", "unit", *used, *(f"x {p}" for p in PEERS)], rows)


def delay_table(results):
    head = ["added delay of an event, µs", "through", "p50", "p99", "max"]
    rows = [[r.name, name, *(f"{v:.0f}" for v in d)]
            for r in results for name, d in r.delays.items()]
    return table(head, rows) if rows else ""


def memory_table(results, goal):
    rows = [[r.name, r.unit, *(f"{r.medians[c]:.2f}" for c in COLUMNS[:4]), f"{goal.value:g}"]
            for r in results]
    return table(["", "unit", *COLUMNS[:4], "goal"], rows) if rows else ""


def svg(results):
    """Bars for each row: what the contestants' work costs, times this proxy's."""
    names, width, left, bar, gap = list(COLOURS), 900, 340, 9, 14
    scale, most = (width - left - 60) / 4.0, 4.0
    out, y = [], 40
    for r in results:
        shown = [n for n in names if n in r.medians]
        out.append(f'<text x="{left - 10}" y="{y + bar * len(shown) / 2 + 4:.0f}" '
                   f'text-anchor="end">{html.escape(r.name)}</text>')
        for n in shown:
            times = r.medians[n] / r.medians[US]
            end = left + min(times, most) * scale
            out.append(f'<rect x="{left}" y="{y}" width="{end - left:.1f}" height="{bar - 1}" '
                       f'fill="{COLOURS[n]}"/>')
            if times > most:
                out.append(f'<text x="{end + 4:.0f}" y="{y + bar - 1}" '
                           f'font-size="9">{times:.1f}</text>')
            y += bar
        y += gap
    legend = "".join(f'<rect x="{left + i * 120}" y="12" width="10" height="10" '
                     f'fill="{COLOURS[n]}"/><text x="{left + i * 120 + 15}" y="21">{n}</text>'
                     for i, n in enumerate(names))
    grid = "".join(f'<line x1="{left + t * scale:.0f}" y1="32" x2="{left + t * scale:.0f}" '
                   f'y2="{y}" stroke="#ccc"/>'
                   f'<text x="{left + t * scale:.0f}" y="{y + 14}" text-anchor="middle">{t}</text>'
                   for t in range(1, int(most) + 1))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 22}" '
            f'font-family="sans-serif" font-size="12">\n'
            f'<title>CPU time for each unit of work, times this proxy\'s</title>\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{grid}\n{legend}\n'
            + "\n".join(out) + "\n</svg>\n")


def check(folder):
    """Ends the program if folder/performance.md is there and has no place for the figures; makes it
    if it is not there. To be called before an hour of measuring."""
    page = folder / "performance.md"
    folder.mkdir(parents=True, exist_ok=True)
    if not page.exists():
        page.write_text("# What a request costs\n\n![The figures](performance.svg)\n\n"
                        + BEGIN + END)
    if not re.search(f"{re.escape(BEGIN)}.*{re.escape(END)}", page.read_text(), re.DOTALL):
        raise SystemExit(f"{page}: no marks for the figures")


def write(folder, results, workers, memory_goal, where):
    """Puts the figures between the marks in folder/performance.md, and the plot beside it."""
    work = [r for r in results if r.name != memory_goal.name]
    text = ["\n".join(where) + "\n", work_table(work), delay_table(work),
            memory_table([r for r in results if r.name == memory_goal.name], memory_goal)]
    if workers:
        both = workers_line(workers).replace("two workers: ", "Two workers: ")
        text.append(both.replace(" us/", " µs/") + ".\n")
    page = folder / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(before + BEGIN + "\n".join(t for t in text if t) + END + after)
    (folder / "performance.svg").write_text(svg(work))
