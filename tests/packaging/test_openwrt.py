"""The OpenWrt package's shell, run by busybox ash with stand-ins for rc.common, procd and uci."""
import shutil
import stat
import subprocess
import textwrap

import pytest

from conftest import need
from router import ENABLED, FILES


def convert(router, text):
    router.set(ENABLED + textwrap.dedent(text))
    status, said, _ = router.run("start")
    assert status == 0, said
    return router.ini.read_text()


def test_every_kind_of_section(router):
    ini = convert(router, """
        config upstream 'main'
            option base_url 'https://api.openai.com/v1'
            list field_aliases 'model=model_id'
            list field_aliases 'max-tokens=max_new_tokens'
            list defaults 'stop=["a=b", "c"]'
            option alias_scope 'top'

        config key 'alice'
            option key 'it'\\''s$HOME`x`"y"'
            option upstream_key 'sk-real'

        config access 'access'
            list ip_whitelist '192.168.1.0/24'
            list ip_whitelist 'fd00::/8'
            list ip_blacklist '192.168.1.9'

        config log 'log'
            option level 'warning'
    """)
    assert ini == textwrap.dedent("""\
        [server]
        listen = 127.0.0.1:8000
        [upstream]
        base_url = https://api.openai.com/v1
        alias_scope = top
        [field_aliases]
        model = model_id
        max-tokens = max_new_tokens
        [defaults]
        stop = ["a=b", "c"]
        [key alice]
        key = it's$HOME`x`"y"
        upstream_key = sk-real
        [access]
        ip_whitelist = 192.168.1.0/24, fd00::/8
        ip_blacklist = 192.168.1.9
        [log]
        file = syslog
        level = warning
    """)


def test_nobody_else_reads_the_keys(router):
    convert(router, "")
    assert stat.S_IMODE(router.ini.stat().st_mode) == 0o600
    assert stat.S_IMODE(router.ini.parent.stat().st_mode) == 0o700
    assert [p.name for p in router.ini.parent.iterdir()] == ["proxy.ini"]


def test_the_log_goes_where_it_is_read(router):
    assert convert(router, "").endswith("[log]\nfile = syslog\n")
    ini = convert(router, "config log 'log'\n\toption file '/tmp/proxy.log'\n")
    assert ini.endswith("[log]\nfile = /tmp/proxy.log\n")


def test_an_anonymous_upstream_is_the_main_one(router):
    assert "[upstream]\nbase_url = http://10.0.0.1\n" in convert(
        router, "config upstream\n\toption base_url 'http://10.0.0.1'\n")


@pytest.mark.parametrize("value", ["a ;b", "a\t;b", "a\nfile = /etc/passwd"])
def test_a_value_that_an_ini_cannot_hold_is_refused(router, value):
    key = f"config key 'alice'\n\toption key '{value}'\n\toption upstream_key 'sk-r'\n"
    router.set(ENABLED + key)
    status, said, calls = router.run("start")
    assert status != 0
    assert "[key alice]: key has" in said
    assert any(c.startswith("logger") and "[key alice]: key has" in c for c in calls)
    assert not router.ini.exists()
    assert "sk-r" not in said


def test_a_pair_without_a_name_is_refused(router):
    router.set(ENABLED + "config upstream 'main'\n\tlist field_aliases 'model'\n")
    status, said, _ = router.run("start")
    assert status != 0
    assert "list field_aliases 'model' is not name=value" in said


def test_start_tells_procd_all_it_needs(router):
    router.set(ENABLED)
    status, said, calls = router.run("start")
    assert status == 0, said
    assert calls[0] == "open_instance"
    assert f"set_param command {router.program} -c {router.ini}" in calls
    assert "set_param respawn 3600 5 0" in calls
    assert "set_param user openai-chat-proxy" in calls
    assert "set_param no_new_privs 1" in calls
    assert "add_jail openai-chat-proxy log" in calls
    mounts = [m for c in calls if c.startswith("add_jail_mount") for m in c.split()[1:]]
    assert str(router.ini.parent) in mounts
    assert "/etc/ssl" in mounts
    assert calls[-2:] == ["close_instance", "add_reload_trigger openai-chat-proxy"]


def test_it_stays_off_until_it_is_enabled(router):
    shutil.copy(FILES / "openai-chat-proxy.config", router.config)
    status, _, calls = router.run("start")
    assert (status, calls) == (0, ["add_reload_trigger openai-chat-proxy"])
    router.config.write_text(router.config.read_text().replace("enabled '0'", "enabled '1'"))
    status, said, calls = router.run("start")
    assert (status, said) == (0, "")
    assert "open_instance" in calls


def test_a_reload_checks_first(router):
    router.set(ENABLED)
    router.run("start")
    before = router.ini.read_text()
    router.set(ENABLED + "\toption nonsense '1'\n")
    status, said, calls = router.run("reload", running=True)
    assert status != 0
    assert "nonsense" in said
    assert not any(c.startswith("send_signal") for c in calls)
    assert router.ini.read_text() == before
    assert not (router.ini.parent / "proxy.ini.new").exists()
    router.set(ENABLED + "\toption drain_timeout '5'\n")
    status, said, calls = router.run("reload", running=True)
    assert status == 0, said
    assert calls == ["send_signal openai-chat-proxy * HUP"]
    assert "drain_timeout = 5" in router.ini.read_text()


def test_a_reload_starts_and_stops(router):
    router.set(ENABLED)
    assert "open_instance" in router.run("reload")[2]
    router.set(ENABLED.replace("'1'", "'0'"))
    assert router.run("reload", running=True)[2] == ["kill openai-chat-proxy"]


def test_a_file_of_ones_own(router):
    own = router.folder / "own.ini"
    own.write_text("[server]\nlisten = 127.0.0.1:1\n")
    router.set(ENABLED + f"\toption config_file '{own}'\n")
    status, said, calls = router.run("start")
    assert status == 0, said
    assert f"set_param command {router.program} -c {own}" in calls
    assert not router.ini.exists()
    own.write_text("[nonsense]\n")
    status, said, calls = router.run("reload", running=True)
    assert status != 0 and "own.ini:1: [nonsense]" in said and len(calls) == 1


def test_check_says_all_and_changes_nothing(router):
    router.set(ENABLED + "\toption nonsense '1'\n\toption rubbish '2'\n")
    status, said, calls = router.run("check")
    assert status != 0 and "nonsense" in said and "rubbish" in said and calls == []
    router.set(ENABLED)
    assert router.run("check")[:2] == (0, "configuration OK\n")
    assert not router.ini.exists()


def test_the_uci_defaults_close_the_files(router):
    text = (FILES / "openai-chat-proxy.defaults").read_text()
    text = text.replace("/etc/", f"{router.folder}/etc/").replace("chown", ": chown")
    router.config.write_text("")
    subprocess.run([need("busybox"), "ash", "-c", text], check=True)
    assert stat.S_IMODE(router.config.stat().st_mode) == 0o600
    assert stat.S_IMODE((router.folder / "etc/openai-chat-proxy").stat().st_mode) == 0o750
