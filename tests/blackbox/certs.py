"""Certificates for the tests, made by the openssl program: an authority, the certificates that it
issues, and certificates with every fault.

Keys are P-256 unless RSA is asked for. Nothing outlives the folder it is made in.
"""
import pathlib
import shutil
import subprocess

CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
unique_subject = no
default_md = sha256
default_days = 30
policy = any
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
EXPIRED = ("20200101000000Z", "20210101000000Z")
FUTURE = ("20480101000000Z", "20490101000000Z")


def available():
    return shutil.which("openssl") is not None


def openssl(*args):
    done = subprocess.run(["openssl", *map(str, args)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"openssl {args}:\n{done.stdout}"


class Cert:
    """A certificate with its key. file: what a server loads, the chain included; alone: the
    certificate itself."""

    def __init__(self, folder, name):
        self.alone = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        self.file = folder / f"{name}.pem"

    def chain(self, *above):
        self.file.write_text("".join(pathlib.Path(c).read_text() for c in (self.alone, *above)))
        return self


class Authority:
    """A root authority in a folder. Its files have its name."""

    def __init__(self, folder, name="root"):
        self.folder = folder / f"authority-{name}"
        self.folder.mkdir()
        self.config = self.folder / "config"
        self.config.write_text(CONFIG.format(folder=self.folder))
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("1000\n")
        self.root = Cert(self.folder, name)
        self.key_and_request(self.root, f"Test {name}")
        self.sign(self.root, None, ("-selfsign", "-keyfile", self.root.key), section="authority")
        self.file = self.root.alone

    def key_and_request(self, cert, subject, rsa=False):
        kind = ("rsa", "rsa_keygen_bits:2048") if rsa else ("EC", "ec_paramgen_curve:P-256")
        openssl("genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", cert.key)
        openssl("req", "-new", "-config", self.config, "-key", cert.key, "-subj", f"/CN={subject}",
                "-out", f"{cert.key}.req")

    def sign(self, cert, dates, how, section):
        start = ("-startdate", dates[0], "-enddate", dates[1]) if dates else ()
        openssl("ca", "-batch", "-notext", "-config", self.config, *how, *start, "-extensions",
                section, "-in", f"{cert.key}.req",
                "-out", cert.alone)

    def section(self, name, lines):
        with open(self.config, "a") as f:
            f.write(f"[{name}]\n" + "\n".join(lines) + "\n")
        return name

    def issue(self, name, names=(), addresses=(), dates=None, above=None, subject=None,
              usage="serverAuth", rsa=False):
        """A server's certificate for names and addresses; above: an intermediate authority of
        intermediate()."""
        alt = ", ".join([f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses])
        lines = ["basicConstraints = CA:FALSE",
                 f"extendedKeyUsage = {usage}"] + ([f"subjectAltName = {alt}"] if alt else [])
        cert = Cert(self.folder, name)
        self.key_and_request(cert, subject or name, rsa)
        signer = above or self.root
        self.sign(cert, dates, ("-cert", signer.alone, "-keyfile", signer.key),
                  self.section(name, lines))
        return cert.chain()

    def intermediate(self, name="intermediate"):
        cert = Cert(self.folder, name)
        self.key_and_request(cert, f"Test {name}")
        self.sign(cert, None, ("-cert", self.root.alone, "-keyfile", self.root.key), "authority")
        return cert.chain()

    def self_signed(self, name, names):
        cert = Cert(self.folder, name)
        self.key_and_request(cert, name)
        section = self.section(name, ["subjectAltName = " + ", ".join(f"DNS:{n}" for n in names)])
        self.sign(cert, None, ("-selfsign", "-keyfile", cert.key), section)
        return cert.chain()
