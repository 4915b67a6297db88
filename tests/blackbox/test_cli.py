"""Flags, exit codes, the configuration's errors, and where the proxy listens."""
import os
import re
import signal
import socket

import pytest

import httpraw
import procs
from httpraw import post
from peers import ok

MINIMAL = ("[server]\nlisten = 127.0.0.1:18999\n"
           "[upstream]\nbase_url = http://127.0.0.1:9\nproxy = none\n")


def ini(tmp_path, text):
    path = tmp_path / "proxy.ini"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def errors_of(tmp_path, text):
    r = procs.run("-t", "-c", ini(tmp_path, text))
    assert r.returncode == 1, (r.returncode, r.stdout, r.stderr)
    return r.stderr + r.stdout


def test_version():
    r = procs.run("-V")
    assert r.returncode == 0
    assert re.search(r"openai-chat-proxy\s+v?\d+\.\d+", r.stdout)
    assert re.search(r"epoll|kqueue", r.stdout)
    assert "inih" in r.stdout.lower()


def test_help_fits_a_screen():
    r = procs.run("-h")
    assert r.returncode == 0
    for flag in ("-c", "-t", "-T", "-V", "-h", "--healthcheck"):
        assert re.search(rf"(^|\s){flag}\b", r.stdout, re.M), flag
    lines = r.stdout.splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 132


@pytest.mark.parametrize("args", [["-x"], ["--no-such-flag"], ["-c"], ["stray"]])
def test_unknown_arguments(args):
    r = procs.run(*args)
    assert r.returncode == 1
    assert r.stderr and not r.stdout


def test_check_is_fine_and_takes_no_port(tmp_path):
    """Another socket may be bound to it, and listen afterwards."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", 0))
        r = procs.run("-t", "-c",
                      ini(tmp_path, MINIMAL.replace(":18999", f":{s.getsockname()[1]}")))
        s.listen()
    assert r.returncode == 0
    assert "configuration OK" in r.stdout + r.stderr


def test_check_names_every_error_in_one_run(tmp_path):
    text = errors_of(tmp_path,
                     "[server]\nlisen = 127.0.0.1:0\nidle_timeout = soon\n[upstraem]\nx = 1\n"
                               "[upstream]\nbase_url = ftp://x\ntimeout = 1\ntimeout = 2\n")
    path = str(tmp_path / "proxy.ini")
    assert re.search(re.escape(path) + r":2: \[server\] .*did you mean 'listen'\?", text)
    assert f"{path}:3: [server]" in text
    assert re.search(re.escape(path) + r":4: .*did you mean 'upstream'\?", text)
    assert f"{path}:7: [upstream]" in text
    assert f"{path}:9: [upstream]" in text


def test_what_other_rooms_know_is_in_the_same_run(tmp_path):
    text = errors_of(tmp_path,
                     "[log]\nlevel = nope\n[server]\nuser = nosuchuser\n[field_aliases]\na = "
                     + 200 * "x" + "\n" + 200 * "k" + " = b\n"
                               "[defaults]\na = tru\nb = fals\nc = 1\n")
    for line, word in ((2, "nope"), (4, "nosuchuser"), (7, "kkkk"), (9, "'a'"), (10, "'b'")):
        assert re.search(rf"proxy\.ini:{line}: .*{word}", text), text
    assert "'c'" not in text
    text = errors_of(tmp_path, "[field_aliases]\nx = y\n[defaults]\nx = 1\ny = 2\n")
    assert re.search(r"proxy\.ini:[45]: \[defaults\] the key '[xy]'", text)


def unlucky(folder):
    """Faults that -t finds: lines of [server] or [log], the exit code, and a word of the
    message."""
    (folder / "plain").touch()
    (folder / "folder").mkdir()
    return [
        (f"[server]\nlisten = unix:{folder}/plain\n", 2, "File exists"),
        (f"[server]\nlisten = unix:{folder}/no/s\n", 2, "No such file"),
        ("[server]\nlisten = 203.0.113.9:18080\n", 2, "203.0.113.9:18080"),
        (f"[log]\nfile = {folder}/no/log\n", 1, f"{folder}/no/log"),
        (f"[log]\nfile = {folder}/folder\n", 1, f"{folder}/folder"),
    ]


@pytest.mark.parametrize("which", range(5))
def test_what_would_fail_at_the_start_fails_in_the_check(tmp_path, which):
    lines, code, word = unlucky(tmp_path)[which]
    path = ini(tmp_path, "[upstream]\nbase_url = http://127.0.0.1:9\n" + lines)
    for options in (["-t"], []):
        r = procs.run(*options, "-c", path)
        assert r.returncode == code and word in r.stderr, (options, r)
        assert "OK" not in r.stdout
    names = sorted(f.name for f in tmp_path.iterdir())
    assert names == ["folder", "plain", "proxy.ini"], "nothing is left behind"


def test_the_check_leaves_nothing(tmp_path):
    path = ini(tmp_path,
               f"[upstream]\nbase_url = http://127.0.0.1:9\n[server]\n"
               f"listen = 127.0.0.1:{procs.free_port()}, unix:{tmp_path}/s\n"
               f"[log]\nfile = {tmp_path}/log\n")
    r = procs.run("-t", "-c", path)
    assert r.returncode == 0 and r.stdout == "configuration OK\n" and r.stderr == ""
    assert [f.name for f in tmp_path.iterdir()] == ["proxy.ini"]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_second_instance_is_exit_2(proxy, upstream, workers):
    """The check is of the file that a reload would read, so the running instance does not count."""
    p = proxy(upstream, server={"workers": workers})
    for mine in ("1", "2"):
        second = p.ini.with_name("second.ini")
        second.write_text(p.ini.read_text().replace(f"workers = {workers}", f"workers = {mine}"))
        r = procs.run("-c", second)
        # glibc and musl have two texts for EADDRINUSE.
        assert r.returncode == 2
        assert re.search(rf"127\.0\.0\.1:{p.port}: Address (already )?in use", r.stderr)
        r = procs.run("-t", "-c", second)
        assert r.returncode == 0 and r.stdout == "configuration OK\n", r.stderr
    assert p.ask(post()).status == 200


@pytest.mark.parametrize("how", ["silent", "closes", "another server", "shares its port"])
def test_the_check_finds_a_port_of_another_program(tmp_path, scripted, how):
    def handler(conn, n):
        if how == "another server":
            conn.head_bytes()
            conn.send(ok(b'{"status":"ok"}'))
        elif how != "closes":
            conn.gone(9)
    u = scripted(handler)
    if how == "shares its port":
        u.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    path = ini(tmp_path, f"[upstream]\nbase_url = http://127.0.0.1:9\n"
                         f"[server]\nlisten = 127.0.0.1:{u.port}\n")
    r = procs.run("-t", "-c", path)
    # A port that a program of the same user shares cannot be told from the running instance's.
    assert r.returncode == (0 if how == "shares its port" else 2)
    r = procs.run("-c", path)
    assert r.returncode == 2 and "in use" in r.stderr


@pytest.mark.parametrize("line, where", [
    ("[server]\nlisten = 127.0.0.1:99999\n", 2),
    ("[server]\nmax_body_size = 10Q\n", 2),
    ("[server]\nheader_timeout = -1\n", 2),
    ("[upstream]\nbase_url = api.openai.com\n", 2),
    ("[upstream]\nbase_url = https://\n", 2),
    ("[upstream]\napi_key = ${NO_SUCH_NAME_HERE}\n", 2),
    ("[upstream]\napi_key = file:/no/such/file\n", 2),
    ("[server\n", 1),
    ("[server]\njust words\n", 2),
    ("[log]\nlevel = loud\n", 2),
    ("[key alice]\nkey = a\n", None),
])
def test_bad_values(tmp_path, line, where):
    text = errors_of(tmp_path, line)
    if where:
        assert f"proxy.ini:{where}:" in text


def test_nul_byte_and_indented_line_are_refused(tmp_path):
    assert "proxy.ini:" in errors_of(tmp_path, b"[server]\nlisten = 127.0.0.1:1\0x\n")
    assert "proxy.ini:" in errors_of(tmp_path, "[api_keys]\na = b\n  c = d\n")


def test_an_open_door_to_the_key_is_refused(tmp_path):
    text = ("[server]\nlisten = 0.0.0.0:8000\n"
            "[upstream]\nbase_url = http://127.0.0.1:9\napi_key = sk-secret-1\n")
    out = errors_of(tmp_path, text)
    assert "sk-secret-1" not in out
    r = procs.run("-t", "-c", ini(tmp_path, text + "[api_keys]\nmine = sk-2\n"))
    assert r.returncode == 0, r.stderr


def test_effective_configuration_masks_secrets(tmp_path):
    r = procs.run("-T", "-c",
                  ini(tmp_path, MINIMAL + "api_key = sk-secret-1\n"
                      "[api_keys]\nfront-secret-2 = sk-secret-3\n"
                      "[key alice]\nkey = front=secret:4\nupstream_key = ${SECRET}\n"),
                  env=procs.clean_env(SECRET="sk-secret-5"))
    assert r.returncode == 0, r.stderr
    assert "secret" not in r.stdout + r.stderr
    assert "base_url = http://127.0.0.1:9" in r.stdout
    assert re.search(r"^idle_timeout = ", r.stdout, re.M)
    assert "[server]" in r.stdout and "[key alice]" in r.stdout


def test_effective_configuration_gives_the_same(tmp_path):
    """Values from the environment are read as curl reads them, not as a file's are."""
    folder = "${" + "x}"
    text = MINIMAL.replace("127.0.0.1:18999", f"127.0.0.1:18999, unix:/tmp/${folder}.sock")
    for variable, proxy in (("http://127.0.0.1", "http://127.0.0.1:1080"),
                            ("me:pass@proxy.example:3128", "http://***@proxy.example:3128")):
        r = procs.run("-T", "-c", ini(tmp_path, text.replace("proxy = none\n", "")),
                      env=procs.clean_env(http_proxy=variable))
        assert f"proxy = {proxy} " in r.stdout, r
        again = tmp_path / "again.ini"
        again.write_text(r.stdout.replace("***", "x"))
        assert f"listen = 127.0.0.1:18999, unix:/tmp/${folder}.sock " in r.stdout
        assert procs.run("-t", "-c", again).returncode == 0


def test_effective_configuration_tells_the_most_memory(tmp_path):
    """As comments, for each limit."""
    def most(more):
        r = procs.run("-T", "-c", ini(tmp_path, MINIMAL.replace("[server]\n", more)))
        m = re.search(r"^; memory: at most (\d+) MiB for each worker", r.stdout, re.M)
        assert r.returncode == 0 and m, r
        assert all(line.startswith(";") for line in r.stdout[m.start():].splitlines())
        return int(m[1])
    few, many = (most(f"[server]\nmax_connections = {n}\n") for n in (100, 10000))
    assert 6 < few < many / 10


def test_missing_file():
    r = procs.run("-c", "/no/such/proxy.ini")
    assert r.returncode in (1, 3)
    assert "/no/such/proxy.ini" in r.stderr


def test_a_taken_port_is_exit_2(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        r = procs.run("-c", ini(tmp_path, MINIMAL.replace(":18999", f":{port}")))
    assert r.returncode == 2
    assert f"127.0.0.1:{port}" in r.stderr


def test_an_address_of_somebody_else_is_exit_2(tmp_path):
    r = procs.run("-c", ini(tmp_path, MINIMAL.replace("127.0.0.1:18999", "203.0.113.9:18080")))
    assert r.returncode == 2
    assert "203.0.113.9" in r.stderr


def test_without_c_the_file_in_this_folder(tmp_path):
    ini(tmp_path, MINIMAL.replace("/127.0.0.1:9", "/here.test"))
    r = procs.run("-T", cwd=tmp_path)
    assert r.returncode == 0 and "http://here.test" in r.stdout


@pytest.mark.skipif(os.path.exists("/etc/openai-chat-proxy/proxy.ini"),
                    reason="this machine has a configuration of its own")
def test_without_any_file_the_environment(tmp_path):
    env = procs.clean_env(OPENAI_BASE_URL="http://env.test/v1", OPENAI_API_KEY="sk-env-1")
    r = procs.run("-T", cwd=tmp_path, env=env)
    assert r.returncode == 0, r.stderr
    assert "127.0.0.1:8000" in r.stdout and "http://env.test/v1" in r.stdout
    assert "sk-env-1" not in r.stdout + r.stderr
    r = procs.run("-T", cwd=tmp_path)
    assert r.returncode == 0 and "0.0.0.0:8000" in r.stdout
    env = procs.clean_env(OPENAI_BASE_URL="http://localhost:8000/v1", OPENAI_API_KEY="sk-env-1")
    r = procs.run("-t", cwd=tmp_path, env=env)
    assert r.returncode == 1
    assert "base_url" in r.stderr and "would come back" in r.stderr


MANY = MINIMAL + """fallback = other -> m
api_key = SECRET1, SECRET2
[upstream other]
base_url = https://other.test/api/v3
api_key = SECRET3
models = other-*, fast -> other-1
[upstream local]
socket = /run/local.sock
models = local-1
[upstream_headers other]
X-Title = SECRET4
[key alice]
key = SECRET5
models = other-*
[key bob]
key = SECRET6
upstream_key = SECRET7, SECRET8
upstream = default
"""


def test_what_is_printed_of_many_upstreams_can_be_read_again(tmp_path):
    first = procs.run("-T", "-c", ini(tmp_path, MANY))
    assert first.returncode == 0 and "SECRET" not in first.stdout + first.stderr
    assert "\n; requests go to https://other.test/api/v3/chat/completions\n" in first.stdout
    assert "\n[key bob]\nkey = ***2 " in first.stdout
    second = procs.run("-T", "-c", ini(tmp_path, first.stdout))
    assert second.returncode == 0, second.stderr

    def values(r):
        """Without the memory of the settings: masks have other lengths than keys."""
        return [line.partition("    ;")[0] for line in r.stdout.splitlines()[1:]
                if "KiB of settings" not in line]
    assert values(first) == values(second)


def test_every_fault_between_upstreams_in_one_run(tmp_path):
    said = errors_of(tmp_path, MANY.replace("fallback = other", "fallback = othr") + """
[upstream default]
[upstream third]
models = local-1
[defaults fourth]
[key carol]
key = SECRET9
upstream = fifth
[key dave]
key = SECRETA
upstream_key = SECRETB
upstream = local
""")
    for text in (":6: [upstream] fallback: there is no [upstream] called 'othr'; did you mean 'ot",
                 ":25: [upstream default] default is the name",
                 ":26: [upstream third] base_url: is missing",
                 ":27: [upstream third] models: 'local-1' is listed twice",
                 ":28: there is no [upstream fourth]",
                 ":31: [key carol] upstream: there is no [upstream] called 'fifth'",
                 ":34: [key dave] upstream_key: goes to [upstream] alone"):
        assert f"proxy.ini{text}" in said
    assert "SECRET" not in said


def test_a_way_that_leads_back_is_told(tmp_path):
    said = errors_of(tmp_path, MINIMAL.replace("127.0.0.1:9", "localhost:18999"))
    assert f"{tmp_path}/proxy.ini:4: [upstream] base_url: http://localhost:18999 is an" in said


def test_the_url_that_will_be_asked(tmp_path):
    r = procs.run("-T", "-c", ini(tmp_path, MINIMAL.replace(":9", ":9/api/v3//chat/completions")))
    assert "\n; requests go to http://127.0.0.1:9/api/v3/chat/completions\n" in r.stdout


def test_healthcheck(proxy, upstream):
    p = proxy(upstream)
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 0
    p.stop()
    assert procs.run("--healthcheck", "-c", p.ini).returncode == 1


def seen_head(p, *fields):
    return p.ask(post("{}", *fields, query="echo=head")).body.decode()


def test_values_from_environment_and_files(proxy, upstream, tmp_path):
    (tmp_path / "key").write_text("sk-from-file\nsecond line\n")
    p = proxy(upstream, env={"FRONT": "front-1"}, **{
        "key a": {"key": "${FRONT}", "upstream_key": f"file:{tmp_path}/key"}})
    seen = seen_head(p, "Authorization: Bearer front-1")
    assert "\r\nAuthorization: Bearer sk-from-file\r\n" in seen


@pytest.mark.parametrize("n", [164, 1200, 4000])
def test_long_keys(proxy, upstream, n):
    front, real = "f" * (n - 3) + "end", "sk-" + "r" * n
    p = proxy(upstream, api_keys={front: real})
    assert f"Bearer {real}\r\n" in seen_head(p, f"Authorization: Bearer {front}")


def test_several_addresses_and_a_unix_socket(proxy, upstream, tmp_path):
    other, path = procs.free_port(), tmp_path / "s"
    first = procs.free_port()
    p = proxy(upstream, server={"max_connections": "100"})
    p.stop()
    p.port = first
    p.write_ini(upstream.url,
                {"server": {"listen": f"127.0.0.1:{first}, 127.0.0.1:{other}, unix:{path}"}})
    p.start(procs.clean_env())
    assert p.wait_up(), p.log()
    for port in (first, other):
        assert httpraw.connect(port).send(post()).response().status == 200
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(path))
    c = httpraw.Conn(s)
    assert c.send(post()).response().status == 200
    c.close()


def test_ipv6(proxy, upstream):
    try:
        port = procs.free_port("::1")
    except OSError:
        pytest.skip("no IPv6 on loopback here")
    p = proxy(upstream)
    p.stop()
    p.write_ini(upstream.url, {"server": {"listen": f"127.0.0.1:{p.port}, [::1]:{port}"}})
    p.start(procs.clean_env())
    assert p.wait_up(), p.log()
    c = httpraw.connect(port, host="::1")
    assert c.send(post()).response().status == 200
    c.close()


def test_pipe_and_usr1_and_hup_do_not_kill(proxy, upstream):
    p = proxy(upstream)
    p.signal(signal.SIGPIPE)
    p.signal(signal.SIGHUP)
    p.signal(signal.SIGUSR1)
    assert p.ask(post()).status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_while_it_starts_waits_for_the_loop(proxy, upstream, tmp_path, workers):
    """A start script may send HUP as soon as the program listens, here 300 ms before the loop
    runs."""
    library = procs.preload_library("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <sys/socket.h>
        #include <time.h>
        int listen(int fd, int backlog)
        {
            int (*next)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
            int got = next(fd, backlog);
            nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, 0);
            return got;
        }
        """, tmp_path)
    p = proxy(upstream, server={"workers": workers}, preload=library)
    p.signal(signal.SIGHUP)
    p.signal(signal.SIGUSR1)
    p.wait_log("reload: done")
    assert p.ask(post()).status == 200


def test_without_random_numbers(tmp_path):
    """An old kernel in a bare root: better no start than keys that can be guessed."""
    library = procs.preload_library("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <string.h>
        #include <sys/types.h>
        ssize_t getrandom(void *p, size_t n, unsigned flags)
        {
            errno = ENOSYS;
            return -1;
        }
        int open(const char *path, int flags, ...)
        {
            int (*next)(const char *, int, ...) =
                (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
            if (strcmp(path, "/dev/urandom") != 0)
                return next(path, flags);
            errno = ENOENT;
            return -1;
        }
        """, tmp_path)
    ini = tmp_path / "proxy.ini"
    ini.write_text("[upstream]\nbase_url = http://localhost\n")
    for check in ([], ["-t"]):
        r = procs.run(*check, "-c", ini, env=procs.clean_env(LD_PRELOAD=str(library)))
        assert r.returncode == 3
        assert "neither getrandom(2) nor /dev/urandom gives random numbers" in r.stderr
