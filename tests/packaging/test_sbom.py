"""scripts/sbom, over source packages of the test's own: the document is SPDX 2.3, names what is in
there, and is the same wherever and whenever it is made."""
import hashlib
import json
import os
import re
import subprocess

import pytest

from conftest import ROOT

LICENCES = {"MIT", "BSD-3-Clause", "Apache-2.0", "GPL-2.0-or-later"}
# What SPDX 2.3 demands of a package, and what else of it is used here (7.1 to 7.24).
NEEDED = {"SPDXID", "name", "downloadLocation"}
KNOWN = NEEDED | {
    "versionInfo", "packageFileName", "checksums", "licenseDeclared", "licenseConcluded",
    "copyrightText", "primaryPackagePurpose", "filesAnalyzed", "sourceInfo", "externalRefs"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    versions = {"musl": "1.2.5-3", "mbedtls": "3.6.6-0.1~deb13u1", "libinih": "59-1"}
    for name, version in versions.items():
        upstream = version.split("-")[0]
        orig, debian = f"{name}_{upstream}.orig.tar.gz", f"{name}_{version}.debian.tar.xz"
        (folder / f"{name}_{version}.dsc").write_text(
            f"Format: 3.0 (quilt)\nSource: {name}\nVersion: {version}\n"
            f"Checksums-Sha1:\n {'1' * 40} 5 {orig}\n"
            f"Checksums-Sha256:\n {sha256(orig.encode())} 5 {orig}\n"
            f" {'2' * 64} 5 {orig}.asc\n {sha256(debian.encode())} 5 {debian}\n"
            f"Files:\n {'3' * 32} 5 {orig}\n")
    return folder


@pytest.fixture
def tarball(tmp_path):
    path = tmp_path / "openai-chat-proxy-1.2.3.tar.gz"
    path.write_bytes(b"a tarball")
    return path


def run(tarball, sources, **env):
    return subprocess.run(["sh", ROOT / "scripts" / "sbom", tarball, sources], capture_output=True,
                          text=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000", **env})


def document(tarball, sources):
    r = run(tarball, sources)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


def test_the_document_is_spdx(tarball, sources):
    d = document(tarball, sources)
    assert set(d) == {"spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace",
                      "creationInfo", "packages", "relationships"}
    assert (d["spdxVersion"], d["dataLicense"]) == ("SPDX-2.3", "CC0-1.0")
    assert d["SPDXID"] == "SPDXRef-DOCUMENT"
    assert re.fullmatch(r"https://[^#\s]+", d["documentNamespace"])
    assert d["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    assert all(re.match("(Tool|Person|Organization): .", c) for c in d["creationInfo"]["creators"])
    ids = [p["SPDXID"] for p in d["packages"]] + [d["SPDXID"]]
    assert len(set(ids)) == len(ids) == 5
    for p in d["packages"]:
        assert NEEDED <= set(p) <= KNOWN
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", p["SPDXID"])
        assert set(re.split(" OR | AND ", p["licenseDeclared"])) <= LICENCES
        assert re.match("NOASSERTION$|https://", p["downloadLocation"])
        assert all(c["algorithm"] == "SHA256" and re.fullmatch("[0-9a-f]{64}", c["checksumValue"])
                   for c in p["checksums"])
    for r in d["relationships"]:
        assert {r["spdxElementId"], r["relatedSpdxElement"]} <= set(ids)


def test_it_names_the_program_and_its_libraries(tarball, sources):
    d = document(tarball, sources)
    found = {p["name"]: (p["versionInfo"], p["packageFileName"], p["checksums"][0]["checksumValue"])
             for p in d["packages"]}
    assert found == {
        "openai-chat-proxy": ("1.2.3", tarball.name, sha256(b"a tarball")),
        **{name: (version, orig, sha256(orig.encode())) for name, version, orig in (
            ("musl", "1.2.5-3", "musl_1.2.5.orig.tar.gz"),
            ("mbedtls", "3.6.6-0.1~deb13u1", "mbedtls_3.6.6.orig.tar.gz"),
            ("libinih", "59-1", "libinih_59.orig.tar.gz"))}}
    related = {(r["relationshipType"], r["relatedSpdxElement"]) for r in d["relationships"]}
    assert related == {("DESCRIBES", "SPDXRef-openai-chat-proxy"), ("STATIC_LINK", "SPDXRef-musl"),
                       ("STATIC_LINK", "SPDXRef-mbedtls"), ("STATIC_LINK", "SPDXRef-libinih")}
    urls = {p["name"]: p["downloadLocation"] for p in d["packages"]}
    assert urls["libinih"].endswith("/pool/main/libi/libinih/libinih_59.orig.tar.gz")
    assert urls["musl"].endswith("/pool/main/m/musl/musl_1.2.5.orig.tar.gz")


def test_it_is_the_same_everywhere(tarball, sources):
    first = run(tarball, sources).stdout
    assert first == run(tarball, sources, TZ="Asia/Tokyo", LANG="C.UTF-8", HOME="/nowhere").stdout
    tarball.write_bytes(b"another tarball")
    other = json.loads(run(tarball, sources).stdout)
    assert other["documentNamespace"] != json.loads(first)["documentNamespace"]


def test_a_library_that_is_missing_is_told(tarball, sources):
    next(sources.glob("mbedtls_*.dsc")).unlink()
    r = run(tarball, sources)
    assert r.returncode != 0 and "no source package of mbedtls" in r.stderr


def test_the_licences_are_those_that_are_shipped(tarball, sources):
    shipped = (ROOT / "packaging" / "libraries").read_text()
    for p in document(tarball, sources)["packages"][1:]:
        assert re.search(rf"part {p['name']} .*{re.escape(p['licenseDeclared'])}", shipped)
