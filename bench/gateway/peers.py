"""The contestants: this proxy, nginx, HAProxy and a bare relay, each with one worker and the same
job.

The job: look the client's key up and replace it, keep connections to the upstream, buffer nothing.
What a contestant cannot do (the aliases) it leaves out. Knows no load and no figures.
"""
import os
import pathlib
import shutil
import socket
import subprocess
import time

KEY, REAL = "front-key-of-the-benchmark", "sk-real-key-of-the-benchmark"
binary = None                           # this proxy's


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def find(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin")


class Process:
    """A program that listens on a port; its children are counted with it."""

    def __init__(self, folder, name, port, *args):
        self.name, self.port = name, port
        self.log = open(folder / f"{name}.out", "ab")
        self.process = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        self.stop()
        raise SystemExit(f"{name} did not start; see {folder}/{name}.out")

    def pids(self):
        pids = [self.process.pid]
        for pid in pids:
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                pids += [int(c) for c in (task / "children").read_text().split()]
        return pids

    def cpu_of_each(self):
        """Nanoseconds on a processor so far, for each process."""
        return [sum(int((task / "schedstat").read_text().split()[0])
                    for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) for pid in self.pids()]

    def cpu_ns(self):
        return sum(self.cpu_of_each())

    def rss(self):
        """Resident bytes."""
        pages = sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
                    for pid in self.pids())
        return pages * os.sysconf("SC_PAGESIZE")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def url(upstream, tls):
    return f"https://localhost:{upstream}" if tls else f"http://127.0.0.1:{upstream}"


def ours(folder, upstream, *, log=False, tls=None, aliases=False, workers=1):
    port = free_port()
    ini = folder / f"proxy-{port}.ini"
    ini.write_text(f"[server]\nlisten = 127.0.0.1:{port}\nmax_connections = 9900\n"
                   f"workers = {workers}\n"
                   f"[upstream]\nbase_url = {url(upstream, tls)}\nproxy = none\n"
                   f"connection_limit = 9900\n{f'ca_file = {tls}' if tls else ''}\n"
                   f"[api_keys]\n{KEY} = {REAL}\n"
                   + ("[field_aliases]\nmodel = model_id\n" if aliases else "")
                   + f"[log]\nlevel = {'info' if log else 'warning'}\n"
                     f"file = {folder / 'proxy.log' if log else '/dev/null'}\n")
    return Process(folder, "ours", port, binary, "-c", ini)


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx-{port}.pid; error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 19900; }}
http {{
    access_log {log}; client_max_body_size 200m; client_body_temp_path {folder}/nb;
    proxy_temp_path {folder}/np;
    fastcgi_temp_path {folder}/nf; uwsgi_temp_path {folder}/nu; scgi_temp_path {folder}/ns;
    map $http_authorization $real {{ default ""; "Bearer {key}" "Bearer {real}"; }}
    upstream up {{ server {host}:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096; keepalive_requests 1000000000; {large}
        location = /v1/chat/completions {{
            if ($real = "") {{ return 401; }}
            proxy_pass {scheme}://up; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host {host}; proxy_set_header Authorization $real;
            proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s; {tls}
        }}
    }}
}}
"""


def nginx(folder, upstream, *, log=False, tls=None, aliases=False, large=False):
    port = free_port()
    config = folder / f"nginx-{port}.conf"
    tls_text = (f"proxy_ssl_trusted_certificate {tls}; proxy_ssl_verify on; "
                "proxy_ssl_name localhost; proxy_ssl_server_name on;") if tls else ""
    large_text = ("proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k; "
                  "client_body_buffer_size 64k;") if large else ""
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream, key=KEY, real=REAL,
                                   log=f"{folder}/nginx.log" if log else "off",
                                   host="localhost" if tls else "127.0.0.1",
                                   scheme="https" if tls else "http", tls=tls_text,
                                   large=large_text))
    return Process(folder, "nginx", port, find("nginx"), "-c", config, "-e", "stderr")


HAPROXY = """
global
    nbthread 1
    maxconn 9900
    {large}
    {log_target}
defaults
    mode http
    {log}
    timeout connect 30s
    timeout client 600s
    timeout server 600s
    http-reuse always
    {no_delay}
frontend in
    bind 127.0.0.1:{port} backlog 4096
    http-request deny deny_status 401 unless {{ {real} -m found }}
    http-request set-header Authorization "Bearer %[{real}]"
    default_backend up
backend up
    server s 127.0.0.1:{upstream} pool-max-conn -1 {tls}
"""


def haproxy(folder, upstream, *, log=False, tls=None, aliases=False, large=False, no_delay=True):
    port = free_port()
    (folder / "keys.map").write_text(f"{KEY} {REAL}\n")
    config = folder / f"haproxy-{port}.cfg"
    real = f"req.hdr(authorization),word(2,' '),map_str({folder}/keys.map)"
    config.write_text(HAPROXY.format(folder=folder, port=port, upstream=upstream, real=real,
                                     large="tune.bufsize 65536" if large else "",
                                     no_delay="option http-no-delay" if no_delay else "",
                                     log_target=f"log {log_socket(folder)} local0" if log else "",
                                     log="log global\n    option httplog" if log else "",
                                     tls=f"ssl verify required ca-file {tls} verifyhost localhost "
                                         f"sni str(localhost)" if tls else ""))
    return Process(folder, "haproxy", port, find("haproxy"), "-db", "-f", config)


def relay(folder, upstream, **how):
    port = free_port()
    return Process(folder, "relay", port, folder / "bench-relay", port, upstream)


_readers = {}


def log_socket(folder):
    """HAProxy writes no files: its lines go to a datagram socket, and a reader of the benchmark's
    puts them into one."""
    path = folder / "haproxy.sock"
    if path not in _readers:
        path.unlink(missing_ok=True)
        script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
                  "s.bind(sys.argv[1])\nf=open(sys.argv[2],'ab')\n"
                  "while True: f.write(s.recv(65536)+b'\\n')\n")
        _readers[path] = subprocess.Popen(["python3", "-c", script, str(path),
                                           str(folder / "haproxy.log")])
        while not path.exists():
            time.sleep(0.01)
    return path


def stop_readers():
    for reader in _readers.values():
        reader.kill()
        reader.wait()
    _readers.clear()


def upstream(folder):
    """The upstream that answers everything; no figure counts it."""
    port = free_port()
    return Process(folder, "upstream", port, folder / "bench-upstream", port)


def terminator(folder, upstream):
    """The upstream's TLS, by OpenSSL, in a process of its own that no figure counts. Returns it and
    the certificate to trust."""
    port = free_port()
    pem, cert = folder / "tls.pem", folder / "tls.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", str(folder / "tls.key"),
                    "-out", str(cert)], check=True, stderr=subprocess.DEVNULL)
    pem.write_text(cert.read_text() + (folder / "tls.key").read_text())
    config = folder / "terminator.cfg"
    config.write_text(f"global\n    nbthread 1\n    maxconn 9900\n    tune.bufsize 65536\n"
                      f"defaults\n    mode tcp\n    timeout connect 30s\n    timeout client 600s\n"
                      f"    timeout server 600s\nlisten in\n"
                      f"    bind 127.0.0.1:{port} ssl crt {pem}\n"
                      f"    server s 127.0.0.1:{upstream}\n")
    return Process(folder, "terminator", port, find("haproxy"), "-db", "-f", config), cert
