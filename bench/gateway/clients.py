#!/usr/bin/env python3
"""TLS for clients: what a warm small request and a new handshake cost this proxy, nginx and HAProxy
with the same cipher (TLS 1.2, ECDHE-ECDSA-CHACHA20-POLY1305, P-256), in CPU time of their
processes; and the delay of events beside 50 handshakes a second. Rounds as in run.py, which has the
rest of the benchmark. Usage: clients.py [--rounds N] [--seconds S] BUILD
"""
import argparse
import json
import os
import pathlib
import re
import socket
import ssl
import statistics
import subprocess
import tempfile
import threading
import time

import peers
import run

CIPHER = "ECDHE-ECDSA-CHACHA20-POLY1305"
HERE = pathlib.Path(__file__).resolve().parent


def certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "c.key"),
                    "-out", str(folder / "c.crt")], check=True, stderr=subprocess.DEVNULL)
    (folder / "c.pem").write_text((folder / "c.crt").read_text() + (folder / "c.key").read_text())
    (folder / "openssl.cnf").write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\n"
                                        "system_default = c\n[c]\nMaxProtocol = TLSv1.2\n")


def rewritten(folder, name, start, upstream, change):
    """Starts a contestant with its configuration changed; its own start is the template."""
    made = start(folder, upstream)
    made.stop()
    path = next(folder.glob(f"{name}-{made.port}.*"))
    path.write_text(change(path.read_text(), made.port))
    args = {"proxy": (peers.binary, "-c", path),
            "nginx": (peers.find("nginx"), "-c", path, "-e", "stderr"),
            "haproxy": (peers.find("haproxy"), "-db", "-f", path)}[name]
    return peers.Process(folder, name, made.port, *args)


def ours(folder, upstream, plain=None):
    also = f", 127.0.0.1:{plain}" if plain else ""
    return rewritten(folder, "proxy", peers.ours, upstream, lambda text, port: text.replace(
        f"listen = 127.0.0.1:{port}\n",
        f"listen = 127.0.0.1:{port} tls{also}\ncertificate = {folder}/c.crt\n"
        f"certificate_key = {folder}/c.key\n"))


def nginx(folder, upstream):
    return rewritten(folder, "nginx", peers.nginx, upstream, lambda text, port: text.replace(
        f"listen 127.0.0.1:{port} backlog=4096;",
        f"listen 127.0.0.1:{port} ssl backlog=4096; ssl_certificate {folder}/c.crt; "
        f"ssl_certificate_key {folder}/c.key; ssl_protocols TLSv1.2; ssl_ciphers {CIPHER};"))


def haproxy(folder, upstream):
    return rewritten(folder, "haproxy", peers.haproxy, upstream, lambda text, port: text.replace(
        f"bind 127.0.0.1:{port} backlog 4096",
        f"bind 127.0.0.1:{port} backlog 4096 ssl crt {folder}/c.pem ssl-max-ver TLSv1.2 "
        f"ciphers {CIPHER}"))


def warm(process, folder, seconds):
    """Microseconds for a request on one of 64 connections."""
    script = folder / "keep.lua"
    script.write_text(run.LUA % (peers.KEY, "", run.BODY))
    before = process.cpu_ns()
    out = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", str(script),
                          f"https://127.0.0.1:{process.port}/v1/chat/completions"], check=True,
                         stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "OPENSSL_CONF": str(folder / "openssl.cnf")}).stdout
    spent = process.cpu_ns() - before
    if re.search(r"Non-2xx|Socket errors", out):
        raise SystemExit(out)
    return spent / 1000 / int(re.search(r"(\d+) requests in", out)[1])


def handshake(process, folder, seconds):
    """Microseconds for a full handshake, by openssl s_time, which resumes nothing."""
    before = process.cpu_ns()
    out = subprocess.run(["openssl", "s_time", "-connect", f"127.0.0.1:{process.port}", "-new",
                          "-tls1_2", "-cipher", CIPHER, "-time", str(seconds)], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    spent = process.cpu_ns() - before
    return spent / 1000 / int(re.search(r"(\d+) connections in [\d.]+ real seconds", out)[1])


def delays(folder, upstream, seconds, each):
    """The delays of events of 200 streams in the clear, beside so many handshakes a second."""
    plain, over, made = peers.free_port(), threading.Event(), [0]
    p = ours(folder, upstream, plain)
    context = ssl.create_default_context(cafile=folder / "c.crt")

    def shake():
        start = time.monotonic()
        while each and not over.is_set():
            with socket.create_connection(("127.0.0.1", p.port)) as s:
                context.wrap_socket(s, server_hostname="localhost").close()
            made[0] += 1
            over.wait(max(0, start + made[0] / each - time.monotonic()))
    thread = threading.Thread(target=shake)
    thread.start()
    start = time.monotonic()
    out = subprocess.run([folder / "bench-load", str(plain), "connections=200",
                          "query=events=1000000&pause=50000", f"seconds={seconds}"], check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    took = time.monotonic() - start
    over.set()
    thread.join()
    p.stop()
    return json.loads(out.split("\n", 1)[1]), made[0] / took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("build", type=pathlib.Path)
    how = parser.parse_args()
    peers.binary = how.build.resolve() / "openai-chat-proxy"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for tool in ("load", "upstream"):
            subprocess.run(["cc", "-O2", "-std=c11", "-D_GNU_SOURCE", f"-I{HERE.parent.parent}",
                            "-o", folder / f"bench-{tool}", HERE / f"{tool}.c"], check=True)
        certificate(folder)
        upstream = peers.upstream(folder)
        contestants = [start(folder, upstream.port) for start in (ours, nginx, haproxy)]
        for what, measure in (("warm small request", warm), ("new handshake", handshake)):
            rounds = [[measure(c, folder, how.seconds) for c in contestants]
                      for _ in range(how.rounds)]
            mine, *others = [statistics.median(figures) for figures in zip(*rounds)]
            print(f"{what}: {mine:.1f} µs; " + ", ".join(
                f"{c.name} {figure:.1f} ({statistics.median(r[0] / r[i] for r in rounds):.2f})"
                for i, (c, figure) in enumerate(zip(contestants[1:], others), 1)), flush=True)
        for c in contestants:
            c.stop()
        for each in (0, 50):
            counted, rate = delays(folder, upstream.port, how.seconds * 3, each)
            print(f"beside {rate:.0f} handshakes/s: {counted}", flush=True)
        upstream.stop()


if __name__ == "__main__":
    main()
