"""The table of CPUs, and what its reader makes of it."""
import subprocess

from conftest import ROOT

CPUS = ["x86_64", "aarch64", "armhf", "armel", "mips", "mipsel", "riscv64"]


def row(cpu):
    script = """. packaging/cpus.sh; cpu_row $1 && printf '%s\\n' "$triplet" "$debian" "$limit" \\
        "$qemu" "$qemu_cpu" "$openwrt" "$optimise" "$cflags" "$ldflags"
    """
    return subprocess.run(["sh", "-c", script, "sh", cpu], cwd=ROOT, capture_output=True, text=True)


def test_all_rows_are_whole():
    names = subprocess.run(["sh", "-c", ". packaging/cpus.sh; cpu_names"], cwd=ROOT,
                           capture_output=True, text=True)
    assert names.stdout.split() == CPUS
    for cpu in CPUS:
        triplet, debian, limit, qemu, model, openwrt, optimise, cflags, ldflags = (
            row(cpu).stdout.splitlines())
        assert "-linux-gnu" in triplet and debian.isalnum() and 0 < int(limit) <= 720
        assert qemu.startswith("qemu-") and qemu.endswith("-static") and model
        assert all(openwrt.split(",")) and optimise in ("-O2", "-Os")
        assert ("-static-pie" in ldflags) == ("-fPIE" in cflags) != ("-no-pie" in ldflags)


def test_another_cpu_is_refused_by_name():
    r = row("z80")
    assert r.returncode != 0
    assert "z80 is no CPU of packaging/cpus" in r.stderr and "riscv64" in r.stderr
    for script in ("packaging/build", "packaging/prove"):
        r = subprocess.run([ROOT / script, "x86_64", "z80"], capture_output=True, text=True)
        assert r.returncode == 2 and "z80" in r.stderr
