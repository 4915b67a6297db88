"""Headless Chromium, driven over a pipe by its DevTools protocol: no driver and no library."""
import base64
import fcntl
import json
import os
import select
import shutil
import struct
import subprocess
import time

WAIT = 30


class Browser:
    """One page. What it complained about is in .complaints."""

    def __init__(self, folder, lang):
        read, their_write = os.pipe()
        their_read, self.write = os.pipe()
        self.read, self.buf, self.last, self.complaints, self.asked = read, b"", 0, [], []
        self.process = subprocess.Popen(
            [program(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--remote-debugging-pipe",
             f"--user-data-dir={folder}", f"--lang={lang}",
             f"--accept-lang={lang}", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "about:blank"],
            preexec_fn=lambda: pipes(their_read, their_write), close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(their_read)
        os.close(their_write)
        self.session = None
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(domain + ".enable")

    def message(self, deadline):
        while b"\0" not in self.buf:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.read], [], [], left)[0], "the browser is silent"
            data = os.read(self.read, 1 << 20)
            assert data, "the browser is gone"
            self.buf += data
        one, _, self.buf = self.buf.partition(b"\0")
        return json.loads(one)

    def do(self, method, **params):
        """A command and its result. Events that come meanwhile are looked at."""
        self.last += 1
        command = {"id": self.last, "method": method, "params": params}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.write, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + WAIT
        while True:
            m = self.message(deadline)
            if m.get("id") == self.last:
                assert "error" not in m, (method, m)
                return m["result"]
            self.look_at(m)

    def look_at(self, event):
        method, params = event.get("method"), event.get("params", {})
        if method in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
            self.complaints.append(params)
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])

    def go(self, url):
        self.do("Page.navigate", url=url)

    def js(self, expression):
        r = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in r, r
        return r["result"].get("value")

    def until(self, expression):
        """The first value of it that is true."""
        deadline = time.monotonic() + WAIT
        while True:
            value = self.js(expression)
            if value:
                return value
            assert time.monotonic() < deadline, (expression, self.js("document.body?.innerText"))
            time.sleep(0.05)

    def look(self, width, dark, still=False):
        """The page is so wide, and light or dark; still: who uses it wants nothing to move."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1,
                mobile=width < 600)
        self.do("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def shot(self, path):
        """The whole page as a picture. Returns its size."""
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=True)
        data = base64.b64decode(shot["data"])
        path.write_bytes(data)
        return struct.unpack(">II", data[16:24])

    def key(self, key, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text,
                    windowsVirtualKeyCode=code)

    def stop(self):
        os.killpg(self.process.pid, 9)
        self.process.wait()
        os.close(self.read)
        os.close(self.write)


def pipes(read, write):
    """The browser reads from descriptor 3 and writes to 4."""
    read, write = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (read, write))
    os.dup2(read, 3)
    os.dup2(write, 4)


def program():
    return shutil.which("chromium") or shutil.which("chromium-browser")
