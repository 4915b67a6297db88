"""The manifests for Kubernetes: as kustomize puts them together, against the models of the API in
python3-kubernetes, and against one another."""
import os
import re
import subprocess

import pytest

from conftest import PACKAGING, ROOT, need

yaml = pytest.importorskip("yaml")
client = pytest.importorskip("kubernetes.client")

FOLDER = PACKAGING / "kubernetes"
BINARY = os.environ.get("OCP_BINARY", str(ROOT / "build" / "openai-chat-proxy"))
# What came into the API after the models that an older Debian has.
NEWER = {("preStop", "sleep"): {"seconds": int}}
MODELS = {"apps/v1": "V1", "v1": "V1", "policy/v1": "V1", "networking.k8s.io/v1": "V1",
          "autoscaling/v2": "V2"}


def manifests():
    text = "\n---\n".join(p.read_text() for p in FOLDER.glob("*.yaml")
                          if p.name != "kustomization.yaml")
    return {m["kind"]: m for m in yaml.safe_load_all(text) if m}


ALL = manifests()


def model(name):
    """Of two versions of a kind the newer, if it is known."""
    return getattr(client, name, None) or getattr(client, re.sub("^V2", "V2beta2", name))


def check(value, kind, where):
    """value, as YAML gives it, is what the model says, and has no name that the model does not."""
    many = re.fullmatch(r"list\[(.*)\]", kind)
    table = re.fullmatch(r"dict\(str, (.*)\)", kind)
    if many:
        assert isinstance(value, list), where
        for i, v in enumerate(value):
            check(v, many[1], where + (i,))
    elif table:
        assert isinstance(value, dict), where
        for k, v in value.items():
            assert isinstance(k, str), where
            check(v, table[1], where + (k,))
    elif kind in ("str", "int", "bool"):
        assert type(value).__name__ == kind, where
    elif kind == "object":      # a number or a text: a port, a share
        assert isinstance(value, (int, str)), where
    else:
        check_object(value, model(kind), where)


def check_object(value, cls, where):
    assert isinstance(value, dict), where
    names = {wire: ours for ours, wire in cls.attribute_map.items()}
    for k, v in value.items():
        newer = NEWER.get((where[-1], k))
        if k not in names and newer:
            assert {n: type(x) for n, x in v.items()} == newer, where + (k,)
            continue
        assert k in names, f"{where}: {cls.__name__} has no {k}"
        check(v, cls.openapi_types[names[k]], where + (k,))
    # The model itself knows what must be there.
    cls(**{ours: value.get(wire) for ours, wire in cls.attribute_map.items() if wire in value})


@pytest.mark.parametrize("kind", ALL)
def test_the_api_knows_every_name(kind):
    m = ALL[kind]
    check_object(m, model(MODELS[m["apiVersion"]] + kind), (kind,))


def test_the_check_finds_a_misspelt_name():
    with pytest.raises(AssertionError, match="has no replica"):
        check_object({**ALL["Deployment"], "spec": {"replica": 2}}, client.V1Deployment, ("x",))
    with pytest.raises(ValueError):
        check_object({"spec": {"selector": {}}}, client.V1Deployment, ("x",))


def test_all_kinds_are_there():
    assert set(ALL) == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler",
                        "NetworkPolicy"}


def test_they_select_the_same_pods():
    labels = ALL["Deployment"]["spec"]["template"]["metadata"]["labels"]
    pod = ALL["Deployment"]["spec"]["template"]["spec"]
    assert ALL["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert ALL["Service"]["spec"]["selector"] == labels
    assert ALL["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert ALL["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] == labels
    assert ALL["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == \
        ALL["Deployment"]["metadata"]["name"]


def test_the_pod_has_no_rights():
    pod = ALL["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False,
                                            "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}
    assert "env" not in container and "envFrom" not in container, "secrets are files"


def test_there_is_time_to_drain():
    pod = ALL["Deployment"]["spec"]["template"]["spec"]
    drain = int(re.search(r"^drain_timeout = (\d+)", (FOLDER / "proxy.ini").read_text(), re.M)[1])
    sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= drain + sleep + 5


def test_the_image_is_this_version():
    version = re.search(r"^VERSION = (.*)", (ROOT / "Makefile").read_text(), re.M)[1]
    (container,) = ALL["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"openai-chat-proxy:{version}"


def test_the_configuration_is_taken(tmp_path):
    key = tmp_path / "upstream_key"
    key.write_text("sk-real\n")
    pod = ALL["Deployment"]["spec"]["template"]["spec"]
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    text = (FOLDER / "proxy.ini").read_text()
    assert f"file:{mounts['secrets']}/upstream_key" in text
    (tmp_path / "proxy.ini").write_text(text.replace(mounts["secrets"], str(tmp_path)))
    done = subprocess.run([BINARY, "-t", "-c", tmp_path / "proxy.ini"], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr


def test_kustomize_puts_them_together():
    done = subprocess.run([need("kubectl"), "kustomize", FOLDER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {m["kind"]: m for m in yaml.safe_load_all(done.stdout)}
    assert set(made) == {*ALL, "ConfigMap"}
    name = made["ConfigMap"]["metadata"]["name"]
    volumes = made["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert name.startswith("openai-chat-proxy-")
    assert volumes[0]["configMap"]["name"] == name, "a changed file rolls the pods over"
