"""The traffic of the soak: what clients ask for, and what may come back.

A kind of traffic is a function of a World and a random generator. It returns what came ("right", or
"error" for an error that says so), and raises Wrong for anything else: bytes of somebody else, a
response that looks whole and is not, a status that nobody has earned, silence.
"""
import json
import time

import httpraw
from httpraw import PATH, head, post

ALICE, BOB = "front-alice-key", "front-bob-key"
REAL = [f"sk-soak-real-{i}" for i in range(4)]
SECRETS = [ALICE, BOB, *REAL]
DONE = b"data: [DONE]\n\n"
FINISH = b'"finish_reason":"stop"'
HONEST = {429, 500, 502, 503, 504}
WAIT = 20       # longer than any time-out of the configuration
HEADER_TIMEOUT = 4


class Wrong(Exception):
    pass


class Busy(Exception):
    """This machine was too slow for the time-outs: nothing can be said."""


def need(condition, *what):
    if not condition:
        raise Wrong(*(str(w)[:600] for w in what))


def auth(key=ALICE):
    return f"Authorization: Bearer {key}"


def honest(r):
    """An error of the proxy's or of the upstream's, whole and in the API's shape."""
    need(r.status in HONEST and r.complete, "no honest error", r.raw, r.body)
    need(r.error["message"], r.body)
    return "error"


def ask(w, request, method="POST", conn=None):
    """One request. A connection of its own is never closed without a response, unless this machine
    was too busy to send the request in time."""
    start = time.monotonic()
    c = conn or w.connect()
    try:
        c.send(request)
        sent = time.monotonic() - start
        if sent > HEADER_TIMEOUT / 2:
            raise Busy
        return c.response(method, WAIT)
    except httpraw.Broken as e:
        if conn:
            raise
        raise Wrong(f"{e}: sent in {sent:.3f} s, {time.monotonic() - start:.3f} s in all, "
                    f"reset: {c.reset}") from e
    finally:
        if not conn:
            c.close()


def body_for(w, rng, model="m", size=None):
    """A body with a token that no other request has."""
    fill = "x" * (rng.randrange(2000) if size is None else size)
    return json.dumps({"model": model, "token": w.token(), "messages": [{"content": fill}]},
                      separators=(",", ":")).encode()


def renamed(body):
    """As the upstream `second` gets it."""
    return body.replace(b'{"model":', b'{"model_id":')[:-1] + b',"temperature":0.6}'


def check_echo(r, body):
    """The upstream's echo, or that of the fallback."""
    if r.status != 200:
        return honest(r)
    if not r.complete:
        return "error"
    need(r.body in (body, renamed(body)), "an echo of something else", body, r.body)
    return "right"


def echo(w, rng):
    body = body_for(w, rng, rng.choice(["m", "m", "second-1"]))
    return check_echo(ask(w, post(body, auth(), query="echo=body")), body)


def upload(w, rng):
    body = body_for(w, rng, rng.choice(["m", "second-1"]), rng.randrange(900_000))
    if rng.random() < 0.5:
        return check_echo(ask(w, post(body, auth(), query="echo=body")), body)
    size = rng.randrange(500, 70_000)
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return check_echo(ask(w, httpraw.post_chunked(pieces, auth(), query="echo=body")), body)


def plain(w, rng):
    size, query, cut = rng.choice([0, 10, 5000, 300_000]), "", rng.random() < 0.2
    framing = rng.choice(["length", "chunked"]) if cut else rng.choice(["length", "chunked",
                                                                        "close"])
    query = f"size={size}&framing={framing}&delay={rng.choice([0, 0, 20, 200])}"
    if cut:
        query += f"&cut={rng.randrange(size + 200)}&rst={rng.randrange(2)}"
    r = ask(w, post(body_for(w, rng), auth(), query=query))
    if r.status != 200:
        return honest(r)
    if not r.complete:
        return "error"
    need(not cut, "a response that was cut looks whole", query, r.raw)
    need(len(r.json()["choices"][0]["message"]["content"]) == size, query, r.raw)
    return "right"


def check_stream(r, n, size, broken, query):
    if r.status != 200:
        return honest(r)
    failed = b'data: {"error"' in r.body
    if failed:
        need(r.complete and DONE not in r.body, "an error event and a finish", query, r.body[-500:])
        return "error"
    # One that ends with its connection is whole with its finish_reason. Within its first event it
    # is no stream of completions yet, and other streams are never judged.
    if "framing=close" in query and b"\n\n" not in r.body:
        return "unjudged"
    end = FINISH if "framing=close" in query else DONE
    need(r.complete and end in r.body, "a stream that was cut says nothing", query, r.body[-300:])
    need(not broken, "a stream that was broken looks whole", query, r.body[-300:])
    content = r.body[:r.body.index(FINISH)].split(b"\n\n")[1:-1]
    fill = [len(json.loads(e[6:])["choices"][0]["delta"]["content"]) for e in content]
    need(fill == [size] * n, "a stream of somebody else", query, r.body)
    return "right"


def stream(w, rng):
    n, size = rng.randrange(1, 40), rng.choice([0, 20, 20, 3000])
    query = f"stream=1&events={n}&size={size}&pause={rng.choice([0, 0, 5, 30])}"
    broken = rng.random() < 0.25
    if broken:
        query += rng.choice([f"&cut={rng.randrange(n)}", f"&cut={rng.randrange(n)}&rst=1",
                             f"&cut={rng.randrange(n)}&midchunk=1", "&noend=1"])
    elif rng.random() < 0.2:
        query += f"&split={rng.randrange(1, 200)}"
    if rng.random() < 0.2:
        query += "&framing=close"
    r = ask(w, post(body_for(w, rng), auth(), query=query))
    return check_stream(r, n, size, broken, query)


def leave(w, rng):
    """A client that goes away, at any moment."""
    c = w.connect()
    if rng.random() < 0.5:
        c.send(post(body_for(w, rng), auth(), query="stream=1&events=50&pause=20"))
        time.sleep(rng.random() / 2)
    else:
        c.send(head("POST", PATH + "?echo=json", auth(), "Content-Length: 300000"))
        c.send(b"x" * rng.randrange(200_000))
    c.close(rst=rng.random() < 0.5)
    return "right"


def drip(w, rng):
    """A head that comes byte by byte: in time, or too late."""
    raw = head("GET", "/healthz")
    stall = rng.random() < 0.3
    start = time.monotonic()
    c = w.connect()
    for byte in raw[:20 if stall else len(raw)]:
        c.send(bytes([byte]))
        time.sleep(0.005)
    late = time.monotonic() - start > HEADER_TIMEOUT / 2
    r = c.response("GET", WAIT)
    c.close()
    if late and not stall:
        raise Busy
    need(r.status == (408 if stall else 200), r.raw)
    return "right"


REFUSALS = [
    (post("{}", auth("no-such-key-0")), 401),
    (post("{}"), 401),
    (head("GET", "/none", auth()), 404),
    (head("GET", PATH, auth()), 405),
    (b"GARBAGE\r\n\r\n", 400),
    (head("POST", PATH, auth(), "Content-Length: 9000000"), 413),
    (head("GET", "/healthz", "X: " + "x" * 9000), 431),
    (post("{}", auth(), "Content-Length: 3"), 400),
    (post('{"model":"second-1" ', auth()), 400),
    (head("GET", "/healthz"), 200),
    (head("OPTIONS", PATH), 204),
]


def refusal(w, rng):
    raw, status = rng.choice(REFUSALS)
    r = ask(w, raw, "HEAD" if status == 204 else "POST")
    need(r.status == status and r.complete, status, raw[:200], r.raw, r.body)
    return "right"


def pipelined(w, rng):
    bodies = [body_for(w, rng) for _ in range(rng.randrange(2, 7))]
    c = w.connect()
    c.send(b"".join(post(b, auth(), query="echo=body") for b in bodies))
    came = "right"
    try:
        for body in bodies:
            r = c.response(wait=WAIT)
            if check_echo(r, body) == "error":
                came = "error"
                if not r.complete or r.has_token("connection", "close"):
                    break
    finally:
        c.close()
    return came


def lasting(w, rng):
    """Requests on one connection, which the proxy may close between two of them."""
    c = w.connect()
    came = "right"
    try:
        for i in range(rng.randrange(2, 10)):
            body = body_for(w, rng)
            try:
                r = ask(w, post(body, auth(), query="echo=body"), conn=c)
            except (httpraw.Broken, OSError):
                need(i > 0 and not c.buf, "closed without a response")
                return came
            if check_echo(r, body) == "error":
                came = "error"
            if not r.complete or r.has_token("connection", "close"):
                return came
            time.sleep(rng.choice([0, 0.1, 0.5]))
    finally:
        c.close()
    return came


def fault(w, rng):
    """The upstream fails in a way of its own."""
    query = rng.choice(["garbage=1", "hang=2", "hang=1", "status=500", "status=503", "status=429",
                        "status=400", "early=1&status=400"])
    r = ask(w, post(body_for(w, rng), auth(), query=query))
    if query.endswith("400"):
        need(r.status in HONEST | {400} and r.complete, query, r.raw)
        return "error"
    return honest(r)


def slow(w, rng):
    """A client that reads late."""
    size = rng.randrange(500_000, 4_000_000)
    c = w.connect(rcvbuf=8192)
    c.send(post(body_for(w, rng), auth(), query=f"size={size}"))
    time.sleep(rng.random() * 2)
    r = c.response(wait=WAIT)
    c.close()
    if r.status != 200:
        return honest(r)
    if r.complete:
        need(len(r.json()["choices"][0]["message"]["content"]) == size, r.raw)
    return "right" if r.complete else "error"


def tls(w, rng):
    body = body_for(w, rng, "tls-1", rng.choice([0, 3000, 100_000]))
    r = ask(w, post(body, auth()))
    if r.status != 200:
        return honest(r)
    need(not r.complete or r.body == body, "an echo of something else", body, r.body)
    return "right" if r.complete else "error"


def models(w, rng):
    r = ask(w, head("GET", "/v1/models", auth()), "GET")
    need(r.status == 200 and r.complete and b"listed-1" in r.body, r.raw, r.body)
    return "right"


KINDS = {echo: 20, upload: 4, plain: 10, stream: 20, leave: 6, drip: 3, refusal: 10, pipelined: 5,
         lasting: 5, fault: 5, slow: 2, tls: 6, models: 3}
