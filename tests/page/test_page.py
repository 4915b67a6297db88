"""What the page shows in a browser, at the widths of a phone and of a desktop, light and dark, in
two languages, while traffic runs and when the program is gone."""
import json
import signal
import subprocess

import pytest

from httpraw import STREAM, head, post
from peers import SSE_HEAD, answering, chunk, delta, ok
from streams import begun

ASK = {"access": {"admin_addresses": "127.0.0.1"}}
KEYS = {"key alice": {"key": "front-a", "upstream_key": "real"},
        "key b.ob": {"key": "front-b", "upstream_key": "real"}}
TEXT = "(document.body?.innerText ?? '')"


def request(key="front-a", body="{}", **how):
    return post(body, f"Authorization: Bearer {key}", **how)


def url(p):
    return f"http://127.0.0.1:{p.port}/status"


def has(text):
    return f"{TEXT}.includes({text!r})"


def quiet(b):
    assert not b.complaints, b.complaints


@pytest.fixture
def busy(proxy, upstream, scripted):
    """A proxy that has seen most of what can be seen."""
    def start(**sections):
        limited = scripted(answering(ok(b"{}", "Retry-After: 300", status="429 Too Many Requests")))
        p = proxy(upstream, **ASK, **KEYS, **sections, **{
            "upstream limited": {"base_url": limited.url, "models": "limited",
                                 "api_key": "k1, k2, k3, k4, k5", "fallback": "default"},
            "upstream gone": {"base_url": "http://127.0.0.1:1", "models": "gone"}})
        for i in range(30):
            p.ask(request("front-a" if i % 3 else "front-b"))
        for i in range(6):
            p.ask(request(body='{"model":"x","stream":true}', query=f"events=3&delay={i * 40}"))
        for model in ("limited", "gone", "gone", "gone"):
            p.ask(request(body='{"model":"%s"}' % model))
        p.ask(request("front-b", query="status=500"))
        p.ask(request("nobody"))
        return p
    return start


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("lang", ["en-US", "zh-CN"])
def test_it_is_whole_at_each_width(busy, browser, pictures, width, dark, lang):
    p, b = busy(), browser(lang)
    b.look(width, dark)
    b.go(url(p))
    b.until(has("upstream_connect_error"))
    b.until("document.querySelector('path').getAttribute('d').length > 20")
    text = b.js(TEXT)
    for word in ("default", "limited", "gone", "alice", "b.ob", "invalid_api_key", "502"):
        assert word in text
    assert ("请求/秒" in text and "上游" in text) if lang == "zh-CN" else "requests/s" in text
    assert b.js("document.documentElement.lang") == lang[:2]
    assert b.js("document.documentElement.scrollWidth") <= width, "it can be moved sideways"
    small = b.js("[...document.querySelectorAll('h1, button, #state, section, #u *, #e *')]"
                 ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).length")
    assert small == 0, "something stands out of the page"
    name = f"{lang[:2]}-{width}-{'dark' if dark else 'light'}.png"
    assert b.shot(pictures / name)[0] == width
    light = b.js("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 128")
    assert light != dark
    quiet(b)


def test_it_asks_for_nothing_else(busy, browser):
    p, b = busy(), browser()
    b.go(url(p))
    b.until(has("live"))
    assert {u for u in b.asked if not u.startswith(("data:", "about:"))} == {
        url(p), url(p) + "/events"}
    b.js("document.body.append(Object.assign(document.createElement('img'), {src: '/healthz'}))")
    b.until("performance.now() > 0")
    b.js("document.head.append(Object.assign(document.createElement('script'), {text: 'x = 1'}))")
    assert b.js("typeof x") == "undefined", "the policy lets a script in"
    assert any("Content Security Policy" in str(c) for c in b.complaints)


def test_it_follows_the_traffic(proxy, scripted, upstream, browser):
    def handler(conn, n):
        conn.request()
        conn.send(SSE_HEAD + chunk(delta("a")))
        conn.gone(60)
    p = proxy(upstream, **ASK, **{"upstream s": {"base_url": scripted(handler).url,
                                                 "models": "m"}})
    b = browser()
    b.go(url(p))
    b.until(has("No requests yet"))
    assert b.js("document.querySelectorAll('#bar b').length") == 0
    for _ in range(5):
        p.ask(post())
    b.until(has("2xx 5"))
    assert not b.js(has("No requests yet"))
    p.ask(post(query="status=418"))
    b.until(has("4xx 1"))
    b.until(has("418"))
    streams = begun(p, 2)
    tile = "document.querySelectorAll('.n')[1].innerText"
    b.until(f"{tile} === '2'")
    b.until("document.querySelectorAll('.n')[2].innerText.includes('ms')")
    for c, _ in streams:
        c.close()
    b.until(f"{tile} === '0'")
    line = b.js("document.querySelector('path').getAttribute('d')")
    b.until(f"document.querySelector('path').getAttribute('d') !== {line!r}")
    quiet(b)


def test_what_is_chosen_stays_chosen(busy, browser):
    """The text of an error can be marked and copied, although it is drawn each second."""
    p, b = busy(), browser()
    b.go(url(p))
    b.until(has("invalid_api_key"))
    b.js("getSelection().selectAllChildren([...document.querySelectorAll('#e td')].find("
         "e => e.textContent === 'invalid_api_key'))")
    facts = b.js("document.getElementById('facts').innerText")
    b.until(f"document.getElementById('facts').innerText !== {facts!r}")
    assert b.js("getSelection().toString()").strip() == "invalid_api_key"


def test_the_language_is_turned_by_the_keyboard_and_stays(busy, browser):
    p, b = busy(), browser()
    b.go(url(p))
    b.until(has("live"))
    b.key("Tab", 9)
    assert b.js("document.activeElement.id") == "lang"
    assert b.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    b.key("Enter", 13, "\r")
    b.until(has("实时"))
    assert b.js("document.documentElement.lang") == "zh"
    b.go(url(p))
    b.until(has("实时"))
    quiet(b)


def test_it_says_that_it_is_drained_and_gone_and_comes_back(busy, browser, pictures):
    p, b = busy(server={"drain_timeout": "20"}), browser()
    b.go(url(p))
    b.until(has("live"))
    c = p.connect().send(post(STREAM, "Authorization: Bearer front-a", query="events=9&pause=3000"))
    c.response_head()
    p.signal(signal.SIGTERM)
    b.until(has("draining"))
    c.close()
    p.wait_end()
    b.until(has("disconnected"))
    b.until("getComputedStyle(document.querySelector('main')).opacity < 0.6")
    b.shot(pictures / "disconnected.png")
    with open(p.log_path, "ab") as log:
        p.process = subprocess.Popen(p.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    b.until(has("live"))
    b.until(has("No requests yet"))


def test_nothing_moves_for_who_wants_that(busy, browser):
    p, b = busy(), browser()
    b.look(1280, False, still=True)
    b.go(url(p))
    b.until(has("live"))
    assert b.js("document.getAnimations().length") == 0
    duration = "getComputedStyle(document.querySelector('main')).transitionDuration"
    assert b.js(duration) == "0s"
    b.look(1280, False)
    assert b.js(duration) == "0.3s"


def test_words_can_be_read(busy, browser):
    """The contrast of each text is that of WCAG 2.1, AA."""
    p, b = busy(), browser()
    for dark in (False, True):
        b.look(1280, dark)
        b.go(url(p))
        b.until(has("upstream_connect_error"))
        b.until("getComputedStyle(document.querySelector('main')).opacity === '1'")
        worst = b.js("""(() => {
            const rgb = c => c.match(/[\\d.]+/g).map(Number);
            const light = c => rgb(c).slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 :
                ((v + .055) / 1.055) ** 2.4).reduce(
                    (s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
            const back = e => {
                const c = e ? getComputedStyle(e).backgroundColor : "rgb(255,255,255)";
                return rgb(c)[3] === 0 ? back(e.parentElement) : c;
            };
            return [...document.querySelectorAll("body *")].filter(e => [...e.childNodes].some(
                n => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length).map(e => {
                const a = light(getComputedStyle(e).color), b = light(back(e));
                return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.innerText];
            }).sort((x, y) => x[0] - y[0])[0];
        })()""")
        assert worst[0] >= 4.5, worst


EVIL = json.dumps({
    "version": "<img src=x onerror=x=1>", "time_ms": 1, "uptime_ms": 1, "workers": 1, "clients": 1,
    "draining": False, "in_flight": 0, "streams": 0, "requests": [1], "tokens": [],
    "first_event": [], "upstreams_more": 0,
    "upstreams": [{"name": "<b>bold</b>", "state": "ok", "rests_ms": 0, "keys": 0,
                   "keys_resting": [], "client_keys_resting": 0, "requests": [], "tokens": [],
                   "first_event": []}],
    "errors": [{"ago_ms": 1, "status": 500, "ending": "complete",
                "upstream": "<script>x=1</script>", "key": "<i>", "reason": "", "n": 1}]}).encode()


def test_hostile_labels_are_text(proxy, upstream, scripted, browser):
    page = proxy(upstream, **ASK).ask(head("GET", "/status"), method="GET")

    def handler(conn, n):
        while conn.buf or conn.more():
            if b"events" in conn.head_bytes():
                conn.send(SSE_HEAD + chunk(b"data: " + EVIL + b"\n\n"))
                conn.gone(30)
                return
            conn.send(page.raw + page.body)
    b = browser()
    b.go(scripted(handler).url + "/status")
    for text in ("<img src=x onerror=x=1>", "<b>bold</b>", "<script>x=1</script>", "<i>"):
        b.until(has(text))
    assert b.js("document.querySelectorAll('img, #u b, #e i, #e script').length") == 0
    assert b.js("typeof x") == "undefined"
    quiet(b)
