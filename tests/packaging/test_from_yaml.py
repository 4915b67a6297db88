"""scripts/from-yaml: YAML in, proxy.ini out, by each awk there is, and what it says of the rest."""
import os
import random
import shutil
import subprocess
import textwrap

import pytest

from conftest import ROOT

SCRIPT = ROOT / "scripts/from-yaml"
BINARY = os.environ.get("OCP_BINARY", str(ROOT / "build" / "openai-chat-proxy"))
AWKS = [a for a in ("busybox awk", "mawk", "gawk", "original-awk") if shutil.which(a.split()[0])]
LISTEN = "[server]\nlisten = 0.0.0.0:8000\n"


@pytest.fixture(params=AWKS or ["awk"])
def convert(request, tmp_path):
    """convert(yaml) returns status, proxy.ini and messages."""
    def run(text):
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(text))
        done = subprocess.run(["sh", SCRIPT, path.name], cwd=tmp_path, capture_output=True,
                              text=True, env={**os.environ, "AWK": request.param}, timeout=20)
        return done.returncode, done.stdout, done.stderr
    return run


def accepted(folder, ini):
    path = folder / "proxy.ini"
    path.write_text(ini)
    done = subprocess.run([BINARY, "-t", "-c", path], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_a_usual_file(convert, tmp_path):
    status, ini, said = convert("""\
        # 配置
        timeout: 30
        base_url: "https://api.example.com"   # 上游
        proxy: null
        proxy_url_path: "/chat"

        field_aliases:
          # "old": "new"
          "model": "model_id"
        default_temperature: 0.6
        default_max_tokens: 16384
        default_model: "DeepSeek \\"V3\\""
        api_keys:
          "my_key_1": "sk-real#1"
          'it''s': sk-real-2
        ip_whitelist:
          # - "127.0.0.1"
          - "192.168.1.100"
          - 10.0.0.0/8
        ip_blacklist:
        log_requests: false
        log_responses: True
    """)
    assert status == 0
    assert ini == LISTEN + textwrap.dedent("""\

        [upstream]
        timeout = 30
        base_url = https://api.example.com
        proxy = none
        proxy_url_path = /chat

        [field_aliases]
        model = model_id

        [defaults]
        temperature = 0.6
        max_tokens = 16384
        model = "DeepSeek \\"V3\\""

        [api_keys]
        my_key_1 = sk-real#1
        it's = sk-real-2

        [access]
        ip_whitelist = 192.168.1.100, 10.0.0.0/8

        [log]
        log_requests = no
        log_responses = yes
    """)
    assert "unknown_keys = pass" in said and "trusted_proxies" in said and "tls_verify" in said
    assert "sk-real" not in said
    accepted(tmp_path, ini)


def test_the_later_service(convert, tmp_path):
    status, ini, said = convert("""\
        api_host: https://api.example.com/ignored
        forward_chat_path: /api/chat/completions
        connection_limit: 500
        connection_limit_per_host: 100
        keepalive_timeout: 60
        models_cache_ttl: 300
        force_close: false
        workers:
        ip_black_list: [1.2.3.4, '5.6.7.8']
        api_keys: {a: sk-1, "b=c": sk-2}
        log_level: WARNING
        default_temperature: 1
    """)
    assert status == 0
    assert ini == LISTEN + textwrap.dedent("""\
        workers = auto

        [upstream]
        base_url = https://api.example.com
        proxy_url_path = /api/chat/completions
        connection_limit = 500
        keepalive_timeout = 60

        [access]
        ip_blacklist = 1.2.3.4, 5.6.7.8

        [api_keys]
        a = sk-1

        [key client2]
        key = b=c
        upstream_key = sk-2

        [log]
        level = warning

        [defaults]
        temperature = 1
    """)
    for words in ("its path does not count", "connection_limit_per_host", "models_cache_ttl",
                  '[defaults] model = "DeepSeek-V3-Fast"', "[defaults] max_tokens = 100000000"):
        assert words in said
    accepted(tmp_path, ini)


def test_nothing_at_all(convert, tmp_path):
    status, ini, _ = convert("---\n# empty\n...\nrubbish")
    assert (status, ini) == (0, LISTEN)
    accepted(tmp_path, ini)


def test_windows_lines_and_a_mark_in_front(convert):
    assert convert("\ufefftimeout: 5\r\nproxy: http://127.0.0.1:7890\r\n")[1] == \
        LISTEN + "\n[upstream]\ntimeout = 5\nproxy = http://127.0.0.1:7890\n"


def test_a_dollar_is_no_variable(convert):
    assert "k = $${HOME}" in convert("api_keys:\n  k: ${HOME}\n")[1]


@pytest.mark.parametrize("text, words", [
    ("port: 9000", "port (line 1): not a setting"),
    ("field_aliases: {a:b: c}", "a:b cannot stand"),
    ("api_keys: {k: 'sk ;1'}", "api_keys (line 1): a value holds a blank and a semicolon"),
    ("api_keys: {k: 'file:/x'}", "starts with file:"),
    ("timeout: [1]", "one value is wanted"),
    ("api_keys: x", "a map is wanted"),
    ("ip_whitelist: 1.2.3.4", "a list is wanted"),
    ("log_requests: maybe", "true or false is wanted"),
    ("route_prefix: /x", "a web server in front can add a prefix"),
    ("timeout: 1\ntimeout: 2", "given twice"),
])
def test_what_cannot_be_carried_over_is_said(convert, text, words):
    status, _, said = convert(text)
    assert status == 0
    assert words in said


@pytest.mark.parametrize("text, words", [
    ("api_keys:\n\ta: b", "config.yaml:2: a tab indents"),
    ("base_url: |\n  x", "config.yaml:1: a text of several lines"),
    ("a: &x b", "anchors"),
    ("a: *x", "anchors"),
    ("a: \"b", "a quote is not closed"),
    ("a: [b", "not closed"),
    ("a: {b}", "name: value is wanted"),
    ("a: [[b]]", "within one another"),
    ("a:\n  b:\n    c: d", "within one another"),
    ("a:\n  - b: c", "within one another"),
    ("# -\n  a: b", "starts at the left edge"),
    ("- a", "a list without a name"),
    ("just words", "name: value is wanted"),
    ("a: b\n  c: d", "does not belong"),
    ("a: \"b\\u00e4\"", "escape"),
    ("a: \"b\" c", "behind a closing quote"),
])
def test_what_is_not_understood_ends_it(convert, text, words):
    status, ini, said = convert(text + "\n")
    assert status != 0
    assert ini == ""
    assert words in said


@pytest.mark.parametrize("seed", range(20))
def test_as_a_yaml_library_reads_it(convert, seed):
    """Random files, in blocks and on lines, quoted in all ways, read by PyYAML too."""
    yaml = pytest.importorskip("yaml")
    draw = random.Random(seed)
    letters = "abcXYZ019_-.#'\"$@/%+"

    def word():
        return "k" + "".join(draw.choice(letters) for _ in range(draw.randint(0, 12)))
    config = {
        "base_url": f"https://{draw.randint(1, 9)}.example.com",
        "timeout": draw.randint(1, 99),
        "api_keys": {word(): word() for _ in range(draw.randint(1, 4))},
        "ip_whitelist": [f"10.0.0.{draw.randint(1, 99)}" for _ in range(draw.randint(1, 3))],
        "log_requests": draw.choice([True, False]),
    }
    text = yaml.dump(config, default_flow_style=draw.choice([None, True, False]), width=1000,
                     default_style=draw.choice([None, None, "'", '"']))
    if text.startswith("{"):
        text = yaml.dump(config, width=1000)
    if "!!" in text:
        text = text.replace("!!int ", "").replace("!!bool ", "")
    assert yaml.safe_load(text)["api_keys"] == config["api_keys"]
    status, ini, said = convert(text)
    assert status == 0, said
    for key, real in config["api_keys"].items():
        assert f"\n{key} = {real}\n" in ini
    assert f"\nip_whitelist = {', '.join(config['ip_whitelist'])}\n" in ini
    assert f"\nlog_requests = {'yes' if config['log_requests'] else 'no'}\n" in ini
    assert f"\ntimeout = {config['timeout']}\n" in ini
