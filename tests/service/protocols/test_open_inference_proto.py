"""The generated module fits the .proto, and both fit public clients."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from service.protocols import open_inference_pb2 as pb
from tests.processes import ROOT

TEXT = re.sub(r"//.*", "", (ROOT / "service/protocols/open_inference.proto").read_text())

# This runs in a process of its own, for one descriptor pool cannot hold two files with the same messages.
FIELDS_OF = """
import json, sys
from importlib import import_module
pb = import_module(sys.argv[1])
found = {}
def visit(message):
    if not message.GetOptions().map_entry:
        found[message.full_name] = {f.name: [f.number, f.type, f.is_repeated] for f in message.fields}
    for nested in message.nested_types:
        visit(nested)
for message in pb.DESCRIPTOR.message_types_by_name.values():
    visit(message)
service = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]
methods = {m.name: [m.input_type.full_name, m.output_type.full_name] for m in service.methods}
print(json.dumps([found, methods]))
"""


def described(module: str) -> tuple[dict[str, dict[str, list[int]]], dict[str, list[str]]]:
    command = [sys.executable, "-W", "ignore", "-c", FIELDS_OF, module]
    messages, methods = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    return messages, methods


def test_the_generated_module_holds_exactly_what_the_proto_says() -> None:
    blocks = re.findall(r"^( *)message (\w+) \{(\}|.*?^\1\})", TEXT, re.MULTILINE | re.DOTALL)
    nested = [(name, block) for _, _, body in blocks for _, name, block in _messages(body)]
    assert len(blocks) == 14
    assert len(nested) == 4
    fields_in_proto = re.findall(r"^ +(?:repeated )?([\w<>, .]+?) (\w+) = (\d+);", TEXT, re.MULTILINE)
    messages, methods = described("service.protocols.open_inference_pb2")
    fields = sorted((name, str(number)) for message in messages.values() for name, (number, *_) in message.items())
    assert fields == sorted((name, number) for _, name, number in fields_in_proto)
    assert sorted(name.rpartition(".")[2] for name in messages) == sorted(
        [name for _, name, _ in blocks] + [name for name, _ in nested]
    )
    calls = re.findall(r"rpc (\w+)\((\w+)\) returns \((\w+)\)", TEXT)
    assert methods == {name: [f"inference.{request}", f"inference.{response}"] for name, request, response in calls}
    repeated = set(re.findall(r"repeated \S+ (\w+) =", TEXT))
    for fields_of in messages.values():
        for name, (_, _, is_repeated) in fields_of.items():
            assert bool(is_repeated) == (name in repeated or name == "parameters"), name
    assert pb.DESCRIPTOR.name == "service/protocols/open_inference.proto"


def _messages(body: str) -> list[tuple[str, str, str]]:
    return re.findall(r"^(  )message (\w+) \{(.*?)^  \}", body, re.MULTILINE | re.DOTALL)


def test_every_field_is_the_one_that_tritons_client_sends_and_reads() -> None:
    ours, our_methods = described("service.protocols.open_inference_pb2")
    theirs, their_methods = described("tritonclient.grpc.service_pb2")
    assert {name: theirs[name] | fields for name, fields in ours.items()} == {name: theirs[name] for name in ours}
    assert {name: their_methods[name] for name in our_methods} == our_methods
