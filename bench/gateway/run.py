#!/usr/bin/env python3
"""What a request costs through this proxy, nginx, HAProxy and a bare relay, side by side in one
run.

The figure is the CPU time of a contestant's processes for each unit of work, as the scheduler
counted it, not the time on a clock: so it hardly hangs on what else the machine does. Contestants
take turns in every round; medians are reported, and the median of the ratios within a round. A goal
that is missed by more than 5 % is told at the end, which is then an exit with 1. Usage: run.py
[--rounds N] [--seconds S] [--rows REGEX] [--congestion NAME] [--out FOLDER] BUILD
"""
import argparse
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys

import peers
import render

HERE = pathlib.Path(__file__).resolve().parent
LUA = '''wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Content-Type"] = "application/json"
%s
wrk.body = [[%s]]
'''
BODY = '{"model":"gpt-4o","messages":[{"role":"user","content":"%s"}]}' % ("A" * 140)
UPLOAD, ANSWER, FLOOD = 20000000, 1 << 20, "events=20000"
HELD = 9300                             # streams held open, below what 20,000 descriptors allow
MEMORY = render.Goal("memory for each open stream", "KiB", 1.0)
WORKERS = render.Goal("two workers", "times the work of one", 1.9)
# What is to be reached, for each kind of work: times HAProxy, times nginx, times the bare relay;
# None: nothing. Bulk over TLS has no goal, because what it costs is mbedTLS's work.
GOALS = {
    "small JSON, 64 warm connections": (0.72, 0.80, 1.08),
    "the same with access log": (0.65, 0.85, 1.18),
    "small JSON at 5,000/s": (0.70, 0.88, 1.20),
    "new connection each": (0.90, 0.90, None),
    "SSE flood, 64 streams": (0.75, 0.40, None),
    "SSE paced, 1,000 streams x 20/s": (0.82, 0.88, 1.10),
    "20 MB upload": (0.60, 0.40, None),
    "20 MB upload with aliases": (0.75, 0.50, 1.12),
    "1 MiB answers": (0.50, 0.20, None),
    "small JSON, 64 warm connections, https upstream": (0.90, 1.00, None),
    "new connection each, https upstream": (0.90, 0.90, None),
    "SSE paced, 1,000 streams x 20/s, https upstream": (0.82, 0.88, None),
}


def wrk(process, folder, seconds, new_connections=False, connections=64):
    """Requests that wrk made, and what they cost."""
    script = folder / ("new.lua" if new_connections else "keep.lua")
    script.write_text(LUA % (peers.KEY, 'wrk.headers["Connection"] = "close"' if new_connections
                             else "", BODY))
    before = process.cpu_ns()
    out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script),
                          f"http://127.0.0.1:{process.port}/v1/chat/completions"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    spent = process.cpu_ns() - before
    if re.search(r"Non-2xx|connect [1-9]|read [1-9]\d\d|write [1-9]", out):
        raise SystemExit(out)
    return {"requests": int(re.search(r"(\d+) requests in", out)[1]), "cpu_ns": spent}


def new_connections(process, folder, seconds):
    return wrk(process, folder, seconds, True)


def load(**options):
    """A run of the benchmark's own load generator, which returns what it counted, and what that
    cost: opening the connections is in neither."""
    def run(process, folder, seconds):
        args = [f"{k}={v}" for k, v in {"seconds": seconds, **options}.items()]
        with subprocess.Popen([str(folder / "bench-load"), str(process.port), *args],
                              stdout=subprocess.PIPE, text=True) as generator:
            if generator.stdout.readline() != "started\n":
                raise SystemExit(f"bench-load {' '.join(args)} did not start")
            before = process.cpu_ns()
            counted = json.loads(generator.stdout.readline())
            counted["cpu_ns"] = process.cpu_ns() - before
        if counted["errors"]:
            raise SystemExit(f"{counted['errors']} errors with {args}")
        return counted
    return run


class Row:
    """One kind of work: how it is loaded, how a unit of it is counted and named.

    also: further contestants; delays: whether the added delay of events is reported; how: settings
    of the contestants."""

    def __init__(self, name, unit, run, count, also=(), delays=False, **how):
        self.name, self.unit, self.run, self.count = name, unit, run, count
        self.also, self.delays, self.how = also, delays, how
        self.goals = GOALS.get(name, (None,) * len(render.PEERS))

    def over_https(self):
        return Row(f"{self.name}, https upstream", self.unit, self.run, self.count, self.also,
                   self.delays, tls=True, **self.how)


def requests(counted):
    return counted["requests"]


def events(counted):
    return counted["events"]


def thousand_events(counted):
    return counted["events"] / 1000


def megabytes(each):
    return lambda counted: counted["requests"] * each / 1e6


SMALL = Row("small JSON, 64 warm connections", "µs/request", wrk, requests)
NEW = Row("new connection each", "µs/request", new_connections, requests)
FLOODED = Row("SSE flood, 64 streams", "ns/event", load(connections=64, query=FLOOD),
              thousand_events, also=("delaying", "64k"))
PACED = Row("SSE paced, 1,000 streams x 20/s", "µs/event",
            load(connections=1000, query="events=1000000&pause=50000"), events,
            also=("delaying",), delays=True)
UPLOADED = Row("20 MB upload", "µs/MB", load(connections=4, body=UPLOAD), megabytes(UPLOAD),
               also=("64k",))
ALIASED = Row("20 MB upload with aliases", "µs/MB", load(connections=4, body=UPLOAD),
              megabytes(UPLOAD), also=("64k",), aliases=True)
ANSWERED = Row("1 MiB answers", "µs/MB", load(connections=16, query=f"size={ANSWER}"),
               megabytes(ANSWER), also=("64k",))
ROWS = [
    SMALL,
    Row("the same with access log", "µs/request", wrk, requests, log=True),
    Row("small JSON at 5,000/s", "µs/request", load(rate=5000), requests),
    NEW, FLOODED, PACED, UPLOADED, ALIASED, ANSWERED,
    *(row.over_https() for row in (SMALL, NEW, FLOODED, PACED, UPLOADED, ALIASED, ANSWERED)),
]
unknown = set(GOALS) - {row.name for row in ROWS}
assert not unknown, unknown


def contestants(row):
    result = {"this proxy": (peers.ours, {}), "HAProxy": (peers.haproxy, {}),
              "nginx": (peers.nginx, {})}
    if not row.how.get("tls"):
        result["relay"] = (peers.relay, {})
    if "delaying" in row.also:
        result["HAProxy, delaying"] = (peers.haproxy, {"no_delay": False})
    if "64k" in row.also:
        result["HAProxy, 64 KiB"] = (peers.haproxy, {"large": True})
        result["nginx, 64 KiB"] = (peers.nginx, {"large": True})
    return result


def measure(row, folder, upstream, tls, args):
    """The row's figures: medians, all of them, and the delays where they are asked for."""
    target, ca = tls if row.how.get("tls") else (upstream, None)
    how = {k: v for k, v in row.how.items() if k != "tls"}
    running, figures, delays = {}, {}, {}
    try:
        for name, (make, more) in contestants(row).items():
            running[name] = make(folder, target.port, tls=ca, **how, **more)
            figures[name], delays[name] = [], []
            row.run(running[name], folder, 1)       # so that connections to the upstream stand
        for _ in range(args.rounds):
            for name, process in running.items():
                counted = row.run(process, folder, args.seconds)
                figures[name].append(counted["cpu_ns"] / 1000 / row.count(counted))
                delays[name].append([counted.get(d) for d in ("p50_us", "p99_us", "max_us")])
    finally:
        for process in running.values():
            process.stop()
    medians = {n: statistics.median(f) for n, f in figures.items()}
    added = {n: [statistics.median(d) for d in zip(*each)]
             for n, each in delays.items() if row.delays}
    return render.Result(row.name, row.unit, row.goals, medians, figures, added)


def memory(folder, upstream):
    """KiB for each stream of HELD that are held open."""
    result = {}
    for name, make in {"this proxy": peers.ours, "HAProxy": peers.haproxy, "nginx": peers.nginx,
                       "relay": peers.relay}.items():
        process = make(folder, upstream.port)
        load()(process, folder, 0.5)
        before = process.rss()
        holder = subprocess.Popen([str(folder / "bench-load"), str(process.port),
                                   f"connections={HELD}", "query=hold", "hold=1"],
                                   stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        held = json.loads(holder.stdout.readline())
        if held["held"] != HELD:
            raise SystemExit(f"{name}: {held}")
        result[name] = (process.rss() - before) / HELD / 1024
        holder.communicate("")
        process.stop()
    return render.Result(MEMORY.name, MEMORY.unit, (), result, {}, {})


def scaling(folder, upstream, args):
    """Two workers beside one: µs a request, requests a second, and the busier worker's share of the
    work."""
    result = {}
    for workers in (1, 2):
        process = peers.ours(folder, upstream.port, workers=workers)
        costs, rates, shares = [], [], []
        for _ in range(args.rounds):
            before = process.cpu_of_each()
            done = wrk(process, folder, args.seconds, connections=512)["requests"]
            spent = [b - a for a, b in zip(before, process.cpu_of_each())]
            costs.append(sum(spent) / 1000 / done)
            rates.append(done / args.seconds)
            shares.append(max(spent) / sum(spent))
        process.stop()
        result[workers] = {"cost": statistics.median(costs), "rate": statistics.median(rates),
                           "share": statistics.median(shares)}
    return result


def build(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cc = os.environ.get("CC", "cc")
    for tool in ("upstream", "load", "relay"):
        subprocess.run([cc, "-O2", "-std=c11", "-D_GNU_SOURCE", f"-I{HERE.parent.parent}", "-o",
                        str(folder / f"bench-{tool}"), str(HERE / f"{tool}.c")], check=True)
    subprocess.run([cc, "-O2", "-std=c11", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o",
                    str(folder / "congestion.so"), str(HERE / "congestion.c")], check=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path,
                        help="where the proxy was built; what this makes goes into bench/ there")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2,
                        help="how long each contestant works in a round")
    parser.add_argument("--rows", default=".", help="only rows whose name matches")
    parser.add_argument("--congestion", default="cubic",
                        help="TCP's congestion control for all processes alike; 'system': as the "
                             "machine is set up")
    parser.add_argument("--out", type=pathlib.Path,
                        help="the folder whose performance.md and performance.svg get the figures")
    args = parser.parse_args()
    if args.out:
        render.check(args.out)
    return args


def run_all(folder, args):
    results = []
    workers = {}
    upstream = peers.upstream(folder)
    tls = peers.terminator(folder, upstream.port)
    try:
        for row in ROWS:
            if re.search(args.rows, row.name):
                results.append(measure(row, folder, upstream, tls, args))
                print(render.line(results[-1]), flush=True)
        if re.search(args.rows, MEMORY.name):
            results.append(memory(folder, upstream))
            print(render.memory_line(results[-1], MEMORY), flush=True)
        if re.search(args.rows, "two workers"):
            workers = scaling(folder, upstream, args)
            print(render.workers_line(workers), flush=True)
    finally:
        tls[0].stop()
        upstream.stop()
        peers.stop_readers()
    return results, workers


def main():
    args = arguments()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = (args.build / "bench").resolve()
    build(folder)
    peers.binary = (args.build / "openai-chat-proxy").resolve()
    if args.congestion != "system":
        with socket.socket() as s:
            try:
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, args.congestion.encode())
            except OSError as why:
                raise SystemExit(f"--congestion {args.congestion}: {why}")
        os.environ.update(LD_PRELOAD=str(folder / "congestion.so"),
                          BENCH_CONGESTION=args.congestion)
    setup = render.setup(peers.binary, args.congestion, args.rounds, args.seconds)
    results, workers = run_all(folder, args)
    if args.out:
        render.write(args.out, results, workers, MEMORY, setup)
    missed = render.missed(results, workers, MEMORY, WORKERS)
    for text in missed:
        print(f"MISSED: {text}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
