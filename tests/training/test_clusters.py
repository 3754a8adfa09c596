"""Processes that a cluster has started, torchrun's or SLURM's, train together as those that a fit starts do."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib, os, sys
from pathlib import Path
from tsseq import ConfigError, LinearForecaster, Training, make_series

folder, devices, num_nodes = Path(sys.argv[1]), *map(int, sys.argv[2:])
rank = os.environ.get("RANK", os.environ.get("SLURM_PROCID", ""))

def digest(**more):
    training = Training(max_epochs=3, verbose=False, accelerator="cpu", devices=devices, num_nodes=num_nodes, **more)
    model = LinearForecaster(3, 24, training=training).fit(make_series("seasonal", 200))
    weights = model.regressor_.network_.state_dict().values()
    return hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in weights)).hexdigest()

lines = [digest(), digest(checkpoint_dir=folder / "states"), digest(checkpoint_dir=folder / "states")]
lines += [digest(seed=None)]
if rank:
    digest(checkpoint_dir=folder / f"states of {rank}")
    try:
        digest(checkpoint_dir=folder / f"states of {rank}")  # that of the second machine is empty
    except ConfigError as error:
        lines.append(str(error))
Path(folder, f"rank {rank}").write_text("\\n".join(lines))
"""


def free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def torchrun(node: int, n_nodes: int, per_node: int, port: str) -> tuple[list[str], dict[str, str]]:
    options = f"--nnodes={n_nodes} --node-rank={node} --nproc-per-node={per_node} --master-addr=127.0.0.1"
    return [sys.executable, "-m", "torch.distributed.run", *options.split(), f"--master-port={port}"], {}


def srun(node: int, n_nodes: int, per_node: int, port: str) -> tuple[list[str], dict[str, str]]:
    """What a task of SLURM finds in its environment."""
    numbers = {"NTASKS": n_nodes, "NTASKS_PER_NODE": 1, "PROCID": node, "NODEID": node, "LOCALID": 0, "JOB_ID": 1}
    texts = {"NODELIST": "127.0.0.1", "JOB_NAME": "fit"}
    environment = {f"SLURM_{name}": str(value) for name, value in (numbers | texts).items()}
    return [sys.executable], environment | {"MASTER_PORT": port}


@pytest.mark.proof
@pytest.mark.parametrize(
    ("start", "n_nodes", "per_node"), [(torchrun, 2, 1), (torchrun, 1, 2), (srun, 2, 1)], ids=["nodes", "node", "slurm"]
)
def test_processes_of_a_cluster_train_as_those_of_a_fit_do(start, n_nodes, per_node, tmp_path):
    script, port, environment = tmp_path / "fit.py", free_port(), {**os.environ, "OMP_NUM_THREADS": "1"}
    script.write_text(SCRIPT)
    arguments = [str(script), str(tmp_path), str(per_node), str(n_nodes)]
    processes = []
    for node in range(n_nodes):
        command, names = start(node, n_nodes, per_node, port)
        processes.append(subprocess.Popen([*command, *arguments], env=environment | names))
    assert [process.wait(timeout=200) for process in processes] == [0] * n_nodes
    assert len(list((tmp_path / "states").iterdir())) == 1
    first, second = ((tmp_path / f"rank {rank}").read_text().splitlines() for rank in range(2))
    assert first[:4] == second[:4]
    assert first[0] == first[1] == first[2] != first[3]
    assert all("Not all machines find the same state of the fit" in lines[4] for lines in (first, second))
    shutil.rmtree(tmp_path / "states")
    subprocess.run([sys.executable, script, tmp_path, "2", "1"], env=environment, check=True)
    assert (tmp_path / "rank ").read_text().splitlines()[:3] == first[:3]
