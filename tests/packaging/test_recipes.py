"""The settings of docs/recipes.md and of both READMEs, loaded, and asked what the pages tell."""
import configparser
import json
import re

import pytest

import procs

from conftest import ROOT, blocks
from httpraw import post
from peers import ok

RECIPES = blocks("recipes.md", "ini")
FOUR, KEYS, FALLBACK, AZURE, AZURE_DATED = RECIPES
READMES = {f"{page} {i}": text for page in ("README.md", "README.zh.md")
           for i, text in enumerate(blocks(f"../{page}", "ini"))}
HOSTS = ["127.0.0.1:9000", "api.openai.com", "api.deepseek.com", "api.siliconflow.cn",
         "openrouter.ai", "my-resource.openai.azure.com", "127.0.0.1:8080"]
NO = ok(b'{"error":{"message":"no"}}', status="503 No")


class Provider:
    """An upstream that records the requests it gets."""

    def __init__(self, scripted, answer=ok(b'{"ok":1}')):
        self.seen = []
        self.answer = answer
        self.server = scripted(self.handle)
        self.url = self.server.url

    def handle(self, conn, _):
        while conn.buf or conn.more():
            self.seen.append(conn.request())
            conn.send(self.answer)

    @property
    def last(self):
        """The path, the key and the model of the last request."""
        r = self.seen[-1]
        key = r.get("authorization") or r.get("api-key")
        return r.target, key, json.loads(r.body)["model"]


@pytest.fixture
def keys(tmp_path):
    """The recipe with its key files in the test's folder, each with its own name as the key."""
    def move(text):
        for name in set(re.findall(r"/etc/openai-chat-proxy/keys/(\w+)", text)):
            (tmp_path / name).write_text(f"sk-{name}\n")
        return text.replace("/etc/openai-chat-proxy/keys", str(tmp_path))
    return move


@pytest.fixture
def recipe(proxy, scripted, keys):
    """recipe(text, {host: answer}): the running recipe, and its providers by host."""
    def start(text, **answers):
        providers = {}
        text = keys(text)
        for host in HOSTS:
            if host in text:
                providers[host] = Provider(scripted, **answers.get(host, {}))
                text = re.sub(f"https?://{re.escape(host)}", providers[host].url, text)
        ini = configparser.RawConfigParser(delimiters="=", inline_comment_prefixes=[";"])
        ini.optionxform = str
        ini.read_string(text)
        sections = {name: dict(ini[name]) for name in ini.sections() if name != "server"}
        base = sections["upstream"].pop("base_url")
        p = proxy(base, env={"SECOND_KEY": "sk-second"}, **sections)
        return p, providers
    return start


def ask(p, model, key="key-for-alice"):
    return p.ask(post(json.dumps({"messages": [], "model": model}),
                      f"Authorization: Bearer {key}"))


@pytest.mark.parametrize("text", RECIPES, ids=range(len(RECIPES)))
def test_a_recipe_loads(tmp_path, keys, text):
    path = tmp_path / "proxy.ini"
    path.write_text(keys(text))
    r = procs.run("-t", "-c", path, env=procs.clean_env(SECOND_KEY="sk-second"))
    assert r.returncode == 0 and r.stdout == "configuration OK\n", r.stderr
    assert not r.stderr


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_load(tmp_path, name):
    path = tmp_path / "proxy.ini"
    path.write_text(READMES[name])
    r = procs.run("-t", "-c", path)
    assert r.returncode == 0 and not r.stderr, r.stderr


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_other_names_another_path(recipe, page):
    text = READMES[f"{page} 1"]
    p, at = recipe(text)
    table = (ROOT / page).read_text().partition(text)[2]
    sent, got = re.findall(r"`POST (\S+)` `([^`]*)` \|", table)[:2]
    assert p.ask(post(sent[1], target=sent[0])).status == 200
    seen = at["127.0.0.1:9000"].seen[-1]
    assert (seen.target, seen.body.decode()) == got


def test_several_upstreams(recipe):
    p, at = recipe(READMES["README.md 2"], **{"api.openai.com": {"answer": NO}})
    assert ask(p, "fast").status == 200
    assert at["api.deepseek.com"].last[1:] == ("Bearer sk-deepseek", "deepseek-chat")
    assert ask(p, "gpt-4o-mini").status == 200
    assert at["api.deepseek.com"].last[1:] == ("Bearer sk-deepseek", "deepseek-chat")
    assert ask(p, "gpt-4o").status == 403


def test_four_providers(recipe):
    p, at = recipe(FOUR)
    for model, host, target, key, name in [
            ("gpt-4o-mini", "api.openai.com", "/v1", "Bearer sk-openai", "gpt-4o-mini"),
            ("deepseek-chat", "api.deepseek.com", "/v1", "Bearer sk-deepseek", "deepseek-chat"),
            ("Qwen/Qwen3-32B", "api.siliconflow.cn", "/v1", "Bearer sk-siliconflow",
             "Qwen/Qwen3-32B"),
            ("small", "127.0.0.1:8080", "/v1", None, "qwen2.5-7b-instruct")]:
        assert ask(p, model).status == 200
        assert at[host].last == (f"{target}/chat/completions", key, name)
    assert ask(p, "small", "key-for-bob").status == 200
    r = ask(p, "gpt-4o-mini", "key-for-bob")
    assert r.status == 403 and r.error["code"] == "model_not_allowed"
    r = p.ask(b"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer key-for-alice\r\n\r\n",
              "GET")
    assert [m["id"] for m in r.json()["data"]] == ["deepseek-chat", "deepseek-reasoner", "small"]


def test_deepseek_fails(recipe):
    p, at = recipe(FOUR, **{"api.deepseek.com": {"answer": NO}})
    assert ask(p, "deepseek-chat").status == 200
    assert at["api.siliconflow.cn"].last == (
        "/v1/chat/completions", "Bearer sk-siliconflow", "deepseek-ai/DeepSeek-V3")


def test_keys_in_turn(recipe):
    p, at = recipe(KEYS)
    used = set()
    for _ in range(2):
        assert ask(p, "gpt-4o-mini").status == 200
        used.add(at["api.openai.com"].last[1])
    assert used == {"Bearer sk-openai", "Bearer sk-second"}


def test_fallback(recipe):
    p, at = recipe(FALLBACK, **{"api.openai.com": {"answer": NO}})
    assert ask(p, "gpt-4o").status == 200
    assert at["api.openai.com"].last[2] == "gpt-4o"
    assert at["openrouter.ai"].last == (
        "/api/v1/chat/completions", "Bearer sk-openrouter", "openai/gpt-4o-mini")
    assert at["openrouter.ai"].seen[-1].get("x-title") == "Our chat"


def test_azure(recipe):
    p, at = recipe(AZURE)
    assert ask(p, "my-deployment").status == 200
    assert at["my-resource.openai.azure.com"].last == (
        "/openai/v1/chat/completions", "sk-azure", "my-deployment")


def test_azure_with_a_date(recipe):
    p, at = recipe(AZURE_DATED)
    for model, deployment in ("gpt-4o-mini", "gpt-4o-mini"), ("gpt-4o", "gpt-4o"):
        assert ask(p, model).status == 200
        assert at["my-resource.openai.azure.com"].last == (
            f"/openai/deployments/{deployment}/chat/completions?api-version=2024-10-21",
            "sk-azure", model)
