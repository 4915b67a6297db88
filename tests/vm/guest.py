"""A virtual machine in qemu: a root that is packed, a shell behind its serial line, and a port of
this machine that leads to its proxy. packaging/vm names the folder of the root and the command."""
import os
import pathlib
import re
import shlex
import subprocess
import threading
import time

import procs

ROOT = pathlib.Path(os.environ.get("OCP_VM_ROOT", "/nowhere"))
HOST = "10.0.2.2"       # what the guest calls this machine's loopback
BOOT_WAIT = 120
SHELL_WAIT = 90


class Guest:
    """Boots with files, {name in the root: text}, and runs until stop()."""

    def __init__(self, files):
        for name, text in files.items():
            (ROOT / name).write_text(text)
        image = self.pack()
        self.port = procs.free_port()
        self.said = b""
        self.changed = threading.Condition()
        self.asked = 0
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [*shlex.split(os.environ["OCP_VM_COMMAND"]), "-initrd", str(image), "-netdev",
             f"user,id=n,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:8000"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.listen, daemon=True).start()

    def pack(self):
        image = ROOT.parent / "initramfs"
        with open(image, "wb") as out:
            subprocess.run("find . | cpio -o -H newc -R 0:0 --quiet | gzip -1", shell=True,
                           cwd=ROOT, stdout=out, check=True)
        return image

    def listen(self):
        with open(ROOT.parent / "console", "wb", buffering=0) as kept:
            while piece := os.read(self.process.stdout.fileno(), 4096):
                kept.write(piece)
                with self.changed:
                    self.said += piece.replace(b"\r", b"")
                    self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, pattern, wait):
        """The match of a regular expression in all that the guest has said."""
        def found():
            return re.search(pattern, self.said, re.S) or self.process.poll() is not None
        with self.changed:
            self.changed.wait_for(found, wait)
            m = re.search(pattern, self.said, re.S)
        assert m, f"the guest did not say {pattern} in {wait} s:\n{self.said[-3000:].decode()}"
        return m

    def wait_booted(self):
        """Seconds from the start of qemu to the end of the guest's own start."""
        self.wait_for(rb"the guest has booted", BOOT_WAIT)
        return time.monotonic() - self.begin

    def run(self, command, wait=SHELL_WAIT):
        """Runs a command in the guest's shell. Returns its status and what it said."""
        self.asked += 1
        n = b"%d" % self.asked
        self.process.stdin.write(n + b" " + command.encode() + b"\n")
        self.process.stdin.flush()
        m = self.wait_for(rb"@%s:\n(.*?)@%s=(\d+)\n" % (n, n), wait)
        return int(m[2]), m[1].decode()

    def shell(self, command, wait=SHELL_WAIT):
        """The same for one that has to succeed; what it said without blanks around it."""
        status, said = self.run(command, wait)
        assert status == 0, f"{command}: {status}\n{said}"
        return said.strip()

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
