"""Makes tests/kafka/golden: what Kafka's own StorageTool writes. Run by hand after adding a Kafka version:

python tests/kafka/make_golden.py <release> <folder of its jars> <java>   (for example 4.3.1 ~/jars /usr/bin/java)
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"
KAFKA_ID = "4L6g3nShT-eMCtK--X86sw"
DIRECTORIES = ("JEXY6aqzQY-32P5TStzaFg", "MvDxzVmcRsaTz33bUuRU6A", "07R5amHmR32VDA6jHkGbTA")
VOTERS = tuple((10001 + i, f"127.0.0.{1 + i}", 9093, directory) for i, directory in enumerate(DIRECTORIES))


def properties(node: int, role: str, quorum: str, log_dir: Path) -> str:
    """The least that the tool accepts."""
    own = "CONTROLLER://127.0.0.1:9093" if role == "controller" else "PLAINTEXT://127.0.0.1:9092"
    listed = (
        "controller.quorum.bootstrap.servers=" + ",".join(f"{host}:{port}" for _, host, port, _ in VOTERS)
        if quorum != "static"
        else "controller.quorum.voters=" + ",".join(f"{number}@{host}:{port}" for number, host, port, _ in VOTERS)
    )
    return "\n".join(
        (
            f"process.roles={role}",
            f"node.id={node}",
            f"listeners={own}",
            "controller.listener.names=CONTROLLER",
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            f"log.dirs={log_dir}",
            listed,
            "",
        )
    )


def make(kafka: str, jars: Path, java: str) -> None:
    """Format a controller and a broker of either kind of quorum, and a controller that joins one; keep what the tool wrote."""
    for quorum, nodes in (
        ("dynamic", ((10001, "controller"), (1, "broker"))),
        ("static", ((10001, "controller"), (1, "broker"))),
        ("joining", ((10001, "controller"),)),
    ):
        for node, role in nodes:
            with tempfile.TemporaryDirectory() as work:
                log_dir, config = Path(work, "log"), Path(work, "server.properties")
                config.write_text(properties(node, role, quorum, log_dir))
                command = [java, "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", "kafka.tools.StorageTool", "format"]
                command += ["--cluster-id", KAFKA_ID, "--config", str(config)]
                if quorum == "dynamic" and role == "controller":
                    listed = (f"{number}@{host}:{port}:{directory}" for number, host, port, directory in VOTERS)
                    command += ["--initial-controllers", ",".join(listed)]
                if quorum == "joining":
                    command += ["--no-initial-controllers"]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={"TZ": "UTC"})
                target = GOLDEN / kafka / quorum / role
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(log_dir, target, copy_function=shutil.copyfile)


if __name__ == "__main__":
    make(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
