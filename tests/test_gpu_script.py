"""The benchmark for accelerators runs from the source tree, with few packages: on a CPU here, in the small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks/gpu_extract.py"
BLOCKED = """
import runpy, sys
class Blocked:
    def __init__(self, inner):
        self.inner = inner
    def find_spec(self, name, *more):
        return None if name.partition(".")[0] in %r else self.inner.find_spec(name, *more)
sys.meta_path[:] = map(Blocked, sys.meta_path)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
ABSENT = ("pyarrow", "typer", "rich", "jinja2", "matplotlib", "accelerate", "pycocotools", "yaml", "charset_normalizer",
          "psutil", "openvino", "onnxruntime", "transformers", "tokenizers", "pandas", "timm")  # fmt: skip


@pytest.mark.slow
def test_it_runs_with_few_packages(tmp_path: Path) -> None:
    if not SCRIPT.exists():
        pytest.skip("the benchmarks are not beside the tests")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED % (ABSENT,), str(SCRIPT), "--device", "cpu", "--networks", "squeezenet1_1",
         "--batches", "2", "--photos", "12", "--turns", "1", "--out", str(tmp_path / "found.json")],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["card"]["bf16_flops"] > 0 and found["device"] == "cpu"
    of = found["squeezenet1_1"]
    assert set(of["network_alone"]["2"]) == {"float32", "bf16"} and of["network_alone"]["flops_a_picture"] > 1e8
    assert {"script", "regraft torch"} <= set(of["end_to_end"]["images_a_second"])
