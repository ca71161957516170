"""Every declaration in ``smg.stubs`` against the published descriptors.

The published ones are read in another process: here they would share a descriptor pool with
ours, and a comparison would be one of a thing with itself.
"""

from __future__ import annotations

import base64
import difflib
import functools
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

PROTOS = Path(__file__).parents[2] / "protos"
FILES = sorted(path.name for path in PROTOS.glob("*.proto"))

PRINT_PUBLISHED = """
import base64, importlib, json, pkgutil
import smg_grpc_proto.generated as package

names = [info.name for info in pkgutil.iter_modules(package.__path__) if info.name.endswith("_pb2")]
files = [importlib.import_module(f"{package.__name__}.{name}").DESCRIPTOR for name in names]
print(json.dumps({file.name: base64.b64encode(file.serialized_pb).decode() for file in files}))
"""

IMPORT_BOTH = """
import importlib, sys

for stem in sys.argv[3:]:
    first, second = (importlib.import_module(f"{package}.{stem}_pb2") for package in sys.argv[1:3])
    assert first.DESCRIPTOR is second.DESCRIPTOR
"""


def test_the_published_files_are_ours() -> None:
    """No protocol file is missing here, and none is invented."""
    assert sorted(published()) == FILES


@pytest.mark.parametrize("name", FILES)
def test_file_equals_the_published_one(name: str) -> None:
    """Services, messages, enums, fields, numbers, types, labels, oneofs, reserved ranges and order agree."""
    difference = diff(published()[name], ours(name))

    assert not difference, "\n" + "\n".join(difference)


@pytest.mark.parametrize(
    "packages",
    [
        pytest.param(("smg.stubs", "smg_grpc_proto.generated"), id="ours first"),
        pytest.param(("smg_grpc_proto.generated", "smg.stubs"), id="ours second"),
    ],
)
def test_both_packages_load_in_one_process(packages: tuple[str, str]) -> None:
    """The pool takes the second file for the first, in either order."""
    run(IMPORT_BOTH, *packages, *(Path(name).stem for name in FILES))


def renumber(file: FileDescriptorProto) -> None:
    """Give a field another number."""
    file.message_type[0].field[0].number = 99


def retype(file: FileDescriptorProto) -> None:
    """Give a field another type."""
    file.message_type[0].field[0].type = FieldDescriptorProto.TYPE_BYTES


def relabel(file: FileDescriptorProto) -> None:
    """Make a field repeated."""
    file.message_type[0].field[0].label = FieldDescriptorProto.LABEL_REPEATED


def hide_presence(file: FileDescriptorProto) -> None:
    """Take from an optional field that it can be unset."""
    field = next(field for message in file.message_type for field in message.field if field.proto3_optional)
    field.proto3_optional = False


def leave_oneof(file: FileDescriptorProto) -> None:
    """Take a field out of its oneof."""
    field = next(field for message in file.message_type for field in message.field if field.HasField("oneof_index"))
    field.ClearField("oneof_index")


def free_number(file: FileDescriptorProto) -> None:
    """Forget a reserved number."""
    message = next(message for message in file.message_type if message.reserved_range)
    del message.reserved_range[0]


def stop_streaming(file: FileDescriptorProto) -> None:
    """Make a streaming call unary."""
    file.service[0].method[0].server_streaming = False


def drop_method(file: FileDescriptorProto) -> None:
    """Leave a call out."""
    del file.service[0].method[-1]


def reorder(file: FileDescriptorProto) -> None:
    """Declare the messages in another order."""
    file.message_type.reverse()


MUTATIONS = [
    renumber,
    retype,
    relabel,
    hide_presence,
    leave_oneof,
    free_number,
    stop_streaming,
    drop_method,
    reorder,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_change_is_seen(mutate: Callable[[FileDescriptorProto], None]) -> None:
    """The comparison fails when a copy differs in one thing."""
    mutated = ours("sglang_scheduler.proto")
    mutate(mutated)

    assert diff(ours("sglang_scheduler.proto"), mutated)


def test_a_difference_names_its_place() -> None:
    """Whoever reads the failure learns which field of which message it is."""
    mutated = ours("mlx_engine.proto")
    renumber(mutated)

    assert diff(ours("mlx_engine.proto"), mutated)[2:] == [
        "-message_type[GenerateRequest].field[request_id].number = 1",
        "+message_type[GenerateRequest].field[request_id].number = 99",
    ]


def ours(name: str) -> FileDescriptorProto:
    """Read a descriptor of our stubs by file name; a new copy each time."""
    module = importlib.import_module(f"smg.stubs.{Path(name).stem}_pb2")
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


@functools.cache
def published() -> dict[str, FileDescriptorProto]:
    """Read the published descriptors by file name; not to be changed."""
    files = json.loads(run(PRINT_PUBLISHED))
    return {name: FileDescriptorProto.FromString(base64.b64decode(text)) for name, text in files.items()}


def run(program: str, *args: str) -> str:
    """Run a program in a new process and return what it prints."""
    done = subprocess.run([sys.executable, "-c", program, *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def diff(expected: FileDescriptorProto, actual: FileDescriptorProto) -> list[str]:
    """Name what differs, - for what is published and + for what is ours."""
    lines = difflib.unified_diff(list(facts(expected)), list(facts(actual)), "published", "ours", lineterm="", n=0)
    return [line for line in lines if not line.startswith("@@")]


def facts(message: Message, path: str = "") -> Iterator[str]:
    """Spell out a descriptor, one line per thing that is set, in order of declaration."""
    for field, value in message.ListFields():
        for label, item in labelled(field, value):
            if field.message_type:
                yield f"{path}{field.name}{label}"
                yield from facts(item, f"{path}{field.name}{label}.")
            else:
                yield f"{path}{field.name}{label} = {shown(field, item)}"


def labelled(field: FieldDescriptor, value: Any) -> list[tuple[str, Any]]:
    """Give each element of a field the name it goes by, or its position."""
    if not field.is_repeated:
        return [("", value)]
    return [(f"[{getattr(item, 'name', position)}]", item) for position, item in enumerate(value)]


def shown(field: FieldDescriptor, item: Any) -> str:
    """Write enums by name."""
    return field.enum_type.values_by_number[item].name if field.enum_type else str(item)
