"""The files of a deployment: hardened, healthy, supervised, and no image that changes under one's feet."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

DEPLOY = Path(settings.BASE_DIR) / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
#: What an entrypoint that starts as root needs to become somebody else, and nothing more.
ROOTS = {"db": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_drops_what_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", [])) == ROOTS.get(name, set())
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_service_comes_back_and_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text() if name == "web" else service["healthcheck"]["test"]


def test_no_image_is_named_by_a_moving_tag() -> None:
    named = [service["image"] for service in SERVICES.values() if "build" not in service]
    named += re.findall(r"^ARG \w*IMAGE=(\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(named) == 3
    for image in named:
        image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", image)
        assert re.search(r"@sha256:[0-9a-f]{64}$|:\d+\.\d+(\.\d+)?(-[a-z-]+)?$", image), image


def test_only_the_web_publishes_a_port_and_only_on_this_machine() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "web": ["127.0.0.1:8000:8000"]
    }


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_has_no_capability_and_comes_back(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    for line in ("CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes"):
        assert line in lines, line
    if "Type=oneshot" not in lines:
        assert {"Restart=always", "StartLimitIntervalSec=0"} <= set(lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    """Its own programs are not installed here, so the paths are another's."""
    text = re.sub(r"^(ExecStart=)\S+", r"\1/bin/true", unit.read_text(), flags=re.MULTILINE)
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/opt/countersign\n", "/tmp\n"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
    assert unit.name not in done.stderr, done.stderr


def test_the_web_server_starts_its_dead_workers_again_everywhere() -> None:
    files = [
        DEPLOY / "Dockerfile",
        DEPLOY / "countersign-web.service",
        Path(settings.BASE_DIR) / "config/demo/__main__.py",
    ]
    assert all("--respawn-failed-workers" in file.read_text() for file in files)
