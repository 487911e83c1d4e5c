"""botocore's model: which operations are built and change something, the members of their inputs, values that a shape does not
take, and documents with one value replaced. Paths are those of the wire, dotted; `[0]` is an item."""

from __future__ import annotations

from botocore.loaders import Loader
from botocore.model import ServiceModel
from wishes import ABSENT

from penstock.api.registry import OPERATIONS

MODEL = ServiceModel(Loader().load_service_model("kafka", "service-2"), "kafka")
BUILT = [name for service, name in OPERATIONS if service == "kafka"]
"""Every operation that is built."""
CHANGES = [name for name in BUILT if MODEL.operation_model(name).http["method"] != "GET"]
"""Those that change something."""
UPDATES = [
    name
    for name in CHANGES
    if "ClusterOperationArn" in getattr(MODEL.operation_model(name).output_shape, "members", ())
]
"""Those that open an operation: they need ACTIVE (msk.md 1.7)."""


def place(member):
    return member.serialization.get("location", "body")


def members(shape, prefix=""):
    """(path, shape, is it required?) of every member that travels in the body, those inside after their structure."""
    for name, member in shape.members.items():
        if place(member) != "body":
            continue
        path = f"{prefix}{member.serialization.get('name', name)}"
        yield path, member, name in shape.required_members
        if member.type_name == "structure":
            yield from members(member, f"{path}.")
        elif member.type_name == "list":
            yield f"{path}[0]", member.member, False
            if member.member.type_name == "structure":
                yield from members(member.member, f"{path}[0].")
        elif member.type_name == "map":
            yield f"{path}.key", member.value, False


def beside(shape):
    """(path, shape, is it required?) of every member that travels as text, in the path or in the query."""
    for name, member in shape.members.items():
        if place(member) != "body":
            path = member.serialization.get("name", name)
            yield path, member, name in shape.required_members
            if member.type_name == "list":
                yield f"{path}[0]", member.member, False


def strange_texts(shape):
    """Texts that are no value of a member there, with words of the refusal."""
    match shape.type_name:
        case "string":
            yield "a\0b", "NUL"
        case "integer" | "long":
            bits = 31 if shape.type_name == "integer" else 63
            yield from ((value, "whole number") for value in ("many", "1.5", "1_0", "٣", 2**bits, -(2**bits) - 1))
            if "min" in shape.metadata:
                yield shape.metadata["min"] - 1, f"at least {shape.metadata['min']}"


def strangers(shape):
    """Values of another type or out of the model's range, with words of the refusal."""
    match shape.type_name:
        case "string":
            yield from ((7, "a string"), (["x"], "a string"), ("a\0b", "NUL"))
            if shape.enum:
                yield from (
                    ("NOPE", "must be one of"),
                    ("", "must be one of"),
                    (shape.enum[0].lower(), "must be one of"),
                )
        case "integer" | "long":
            bits = 31 if shape.type_name == "integer" else 63
            yield from ((value, "whole number") for value in ("1", 1.5, True, 2**bits, -(2**bits) - 1, [1]))
            if "min" in shape.metadata:
                yield shape.metadata["min"] - 1, f"at least {shape.metadata['min']}"
        case "boolean":
            yield from ((value, "true or false") for value in ("true", 1, {}))
        case "list":
            yield from (("x", "a list"), ({}, "a list"))
        case "map" | "structure":
            yield from (("x", "an object"), ([], "an object"))
        case "blob":
            yield from ((7, "base64"), ("*", "base64"), ("YQ==YQ==", "base64"))


def put(path, value, shape, there):
    """A document of that shape with one value replaced; what it lacks on the way there is made right."""
    if not path:
        return value
    first, _, rest = path.partition(".")
    name, _, item = first.partition("[")
    there = dict(sample(shape) if there is None else there)
    if value is ABSENT and not rest and not item:
        there.pop(name, None)
        return there
    inside = shape.value if shape.type_name == "map" else by_wire(shape).get(name)
    if item:
        items = there.get(name) or [None]
        return {**there, name: [put(rest, value, inside.member, items[0]), *items[1:]]}
    return {**there, name: put(rest, value, inside, there.get(name))}


def by_wire(shape):
    return {member.serialization.get("name", name): member for name, member in shape.members.items()}


def sample(shape):
    """The least that the model takes for a shape."""
    match shape.type_name:
        case "structure":
            required = [shape.members[name] for name in shape.required_members]
            return {member.serialization["name"]: sample(member) for member in required}
        case "list" | "map":
            return [] if shape.type_name == "list" else {}
        case "boolean":
            return False
        case "integer" | "long":
            return 1
        case _:
            return shape.enum[0] if getattr(shape, "enum", None) else "x"
