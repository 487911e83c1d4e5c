"""Makes tests/kafka/facts/*.json: what Kafka says of the accepted properties and of values, and how Java reads a properties
file. Run by hand after adding a Kafka version, a property or a case:

PYTHONPATH=. python tests/kafka/make_configuration_facts.py
"""

import json
import subprocess
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path

from penstock.kafka import distributions, plugin
from penstock.kafka.accepted import ACCEPTED
from penstock.kafka.java import find_java
from penstock.kafka.versions import catalogue
from penstock.settings import Settings

FACTS = Path(__file__).parent / "facts"
FILES = [
    b"",
    b"a=1",
    b"a = 1\r\nb=2\r\n",
    b"a=1\rb=2",
    b"  \t\fa=1",
    b"# a comment\n! another\na=1",
    b"# no continuation \\\na=1",
    b"a=1 # no comment",
    b"a:1\nb 2\nc\t3\nd\f4",
    b"a = : 1\nb == 2\nc : = 3",
    b"a=\nb\nc=",
    b"a=1\na=2\nb=3",
    b"a=one,\\\n   two,\\\r\n\tthree",
    b"a=one\\\n\nb=2",
    b"a=one\\\n# no comment",
    b"a=one\\\\\nb=2",
    b"a=one\\\\\\\nb=2",
    b"a\\ b=1\na\\=b=2\na\\:b=3\n\\#c=4",
    b"a=\\ 1\\t2\\n3\\r4\\f5\\q6\\\\7",
    b"a=\\u0041\\u00e9\\u00E9",
    b"a=\\ud83d\\ude00",
    b"a=\\u12",
    b"a=\\uzzzz",
    b"a=\\U0041",
    b"\\u0061=1",
    b"a=1  \t ",
    "a=grün".encode("latin-1"),
    "a=grün".encode(),
    b"\xef\xbb\xbfa=1",
    b"=1\n:2",
    b"\\",
    b"a=1\\",
    b"a\\\n=1",
    b"\\\n",
    b"\\\r\n",
    b"a=1\n\n\n   \n\t\nb=2\n",
    b"a=1\x00\x01",
]
"""Properties files, and what is odd in them."""
WHOLE = [
    "1",
    " 1 ",
    "+1",
    "01",
    "-1",
    "",
    "1.0",
    "1e3",
    "0x1",
    "1_000",
    "2147483647",
    "2147483648",
    "-2147483649",
    "one",
]
VALUES = {
    "auto.create.topics.enable": ["true", "TRUE", " false\t", "yes", "1", "", "t"],
    "num.partitions": [*WHOLE, "0"],
    "message.max.bytes": ["0", "-1"],
    "log.segment.bytes": ["1048576", "1048575"],
    "offsets.topic.replication.factor": ["1", "32767", "32768", "0"],
    "log.retention.bytes": ["9223372036854775807", "9223372036854775808", "-1", "1" * 30],
    "log.cleaner.min.cleanable.ratio": [
        "0",
        "1",
        "0.5",
        ".5",
        "5e-1",
        "0.5f",
        "0.5D",
        "1.1",
        "-0.1",
        "half",
        "",
        "1,5",
    ],
    "compression.type": ["producer", " gzip ", "GZIP", "", "brotli"],
    "log.message.timestamp.type": ["CreateTime", "LogAppendTime", "createtime"],
    "log.cleanup.policy": [
        "delete",
        "compact",
        "compact,delete",
        "delete , compact",
        " delete ",
        "DELETE",
        "delete,",
        "keep",
    ],
    "log.roll.ms": ["1"],
    "num.io.threads": ["1", "0"],
    "replica.selector.class": ["org.apache.kafka.common.replica.RackAwareReplicaSelector"],
}
"""Values, and what Kafka's types and validators make of them."""


def word(content: bytes | str) -> str:
    return b64encode(content if isinstance(content, bytes) else content.encode()).decode()


def told(answer: str) -> str | None:
    return None if answer == "-" else b64decode(answer[1:]).decode("utf-8")


def ask(version: str, questions: list[str], settings: Settings) -> list[str]:
    """One answer for each question, from the Kafka of that version."""
    java, jars = find_java(settings.java_home, settings.cache), distributions.install(version, settings.cache).jars
    path = ":".join(map(str, jars))
    with tempfile.TemporaryDirectory() as work:
        compiler = [
            java.executable,
            "-jar",
            plugin.compiler(settings.cache),
            "-source",
            "17",
            "-target",
            "17",
            "-nowarn",
        ]
        subprocess.run([*compiler, "-d", work, "-cp", path, FACTS / "Facts.java"], check=True)
        asked = Path(work, "questions")
        asked.write_text("".join(f"{question}\n" for question in questions))
        command = [java.executable, "-cp", f"{work}:{path}", "Facts", asked]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def facts(version: str, settings: Settings) -> dict[str, object]:
    """What one Kafka says."""
    pairs = [(key, value) for key, values in VALUES.items() for value in values]
    questions = [f"property\t{word(name)}" for name in ACCEPTED]
    questions += [f"value\t{word(key)}\t{word(value)}" for key, value in pairs]
    answers = ask(version, questions, settings)
    of_properties, of_values = answers[: len(ACCEPTED)], answers[len(ACCEPTED) :]
    return {
        "properties": {
            name: None
            if answer == "?"
            else dict(zip(("type", "default", "validator", "mode"), map(told, answer.split("\t")), strict=True))
            for name, answer in zip(ACCEPTED, of_properties, strict=True)
        },
        "values": [
            [key, value, None if answer == "!" else told(answer)]
            for (key, value), answer in zip(pairs, of_values, strict=True)
        ],
    }


def files(version: str, settings: Settings) -> list[object]:
    """How Java reads each of FILES: [the file in base64, its properties or None where Java refuses it]."""
    answers = ask(version, [f"file\t{word(content)}" for content in FILES], settings)
    rows: list[object] = []
    for content, answer in zip(FILES, answers, strict=True):
        words = [told(each) for each in answer.split("\t") if each and answer != "!"]
        read = None if answer == "!" else dict(zip(words[::2], words[1::2], strict=True))
        rows.append([b64encode(content).decode(), read])
    return rows


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    for name, row in catalogue().items():
        write(FACTS / f"{row.kafka}.json", facts(name, Settings()))
    write(FACTS / "files.json", files(name, Settings()))
