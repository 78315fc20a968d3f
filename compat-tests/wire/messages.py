# SPDX-License-Identifier: Apache-2.0
"""Kafka's messages as Python dictionaries, by the schemas of protocol/schema (its README has their grammar).

A codec of its own, so that the broker's is not checked by itself. It encodes what no client would: null
where no null is allowed, strings that are not UTF-8 (given as bytes).
"""

import pathlib
import re
import struct

FORMS = {"bool": ">?", "int8": ">b", "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I",
         "int64": ">q", "float64": ">d"}
ENDLESS = 1 << 15


class Malformed(Exception):
    """Bytes that are not what the schema says."""


class Versions:
    """'3+', '0-5', '2' or 'none'."""

    def __init__(self, text):
        self.first, self.last = 1, 0
        if text and text != "none":
            first, _, last = text.rstrip("+").partition("-")
            self.first = int(first)
            self.last = ENDLESS if text.endswith("+") else int(last or first)

    def __contains__(self, version):
        return self.first <= version <= self.last


class Field:
    def __init__(self, words):
        self.name, self.type = words[:2]
        self.versions = Versions(words[2])
        options = dict(word.split("=", 1) for word in words[3:] if "=" in word)
        self.null = Versions(options.get("null"))
        self.flexible = Versions(options["flexible"]) if "flexible" in options else None
        self.default = options.get("default")
        tag, _, versions = options.get("tag", "").partition("@")
        self.tag, self.tagged = int(tag or -1), Versions(versions)
        self.fields = []


def uvarint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


class Source:
    """Bytes that are read from the front."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        if count < 0 or self.at + count > len(self.data):
            raise Malformed("%d bytes are wanted, %d are left" % (count, len(self.data) - self.at))
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return number


class Message:
    """One section of a schema."""

    def __init__(self, options):
        self.versions = Versions(options["versions"])
        self.flexible = Versions(options.get("flexible"))
        self.fields, self.structs = [], {}

    def fields_of(self, field):
        """The fields of a struct, or of an array's elements; none for another type."""
        return field.fields or self.structs.get(field.type.replace("[]", ""), [])

    def is_flexible(self, version, field=None):
        return version in (field.flexible if field and field.flexible else self.flexible)

    # ---- defaults

    def default(self, field, version):
        text, kind = field.default, field.type
        if text == "null":
            return None
        if kind.startswith("[]"):
            return []
        if kind == "bool":
            return text == "true"
        if kind in FORMS:
            return float(text or 0) if kind == "float64" else int(text or "0", 0)
        simple = {"string": text or "", "bytes": b"", "records": None, "uuid": bytes(16)}
        return simple[kind] if kind in simple else self.complete({}, version, self.fields_of(field))

    def complete(self, partly, version, fields=None):
        """A value with all fields of the version, where a part of them is given."""
        fields = self.fields if fields is None else fields
        whole = {}
        for field in fields:
            if version not in field.versions:
                continue
            inner = self.fields_of(field)
            given = partly.get(field.name, self.default(field, version))
            if inner and isinstance(given, list):
                given = [self.complete(one, version, inner) for one in given]
            elif inner and isinstance(given, dict):
                given = self.complete(given, version, inner)
            whole[field.name] = given
        return whole

    # ---- to bytes

    def encode(self, value, version):
        return self.put_struct(self.fields, value, version)

    def put_struct(self, fields, value, version):
        out, tags = b"", []
        for field in fields:
            if version not in field.versions:
                continue
            given = value[field.name]
            if version in field.tagged:
                if given != self.default(field, version):
                    tags.append((field.tag, self.put(field, field.type, given, version)))
                continue
            out += self.put(field, field.type, given, version)
        if self.is_flexible(version):
            out += uvarint(len(tags))
            for tag, data in sorted(tags):
                out += uvarint(tag) + uvarint(len(data)) + data
        return out

    def put_size(self, size, form, field, version):
        """size -1: null."""
        return uvarint(size + 1) if self.is_flexible(version, field) else struct.pack(form, size)

    def put(self, field, kind, value, version):
        if kind.startswith("[]"):
            if value is None:
                return self.put_size(-1, ">i", field, version)
            return self.put_size(len(value), ">i", field, version) + b"".join(
                self.put(field, kind[2:], one, version) for one in value)
        if kind in FORMS:
            return struct.pack(FORMS[kind], value)
        if kind == "uuid":
            return value
        if kind in ("string", "bytes", "records"):
            form = ">h" if kind == "string" else ">i"
            if value is None:
                return self.put_size(-1, form, field, version)
            data = value.encode() if isinstance(value, str) else value
            return self.put_size(len(data), form, field, version) + data
        return self.put_nullable_struct(field, value, version)

    def put_nullable_struct(self, field, value, version):
        if version not in field.null or field.type.startswith("[]"):
            return self.put_struct(self.fields_of(field), value, version)
        tagged = version in field.tagged
        if value is None:
            return uvarint(0) if tagged else b"\xff"
        return (uvarint(1) if tagged else b"\x01") + self.put_struct(self.fields_of(field), value, version)

    # ---- from bytes

    def decode(self, source, version):
        return self.get_struct(self.fields, source, version)

    def get_struct(self, fields, source, version):
        value, tagged = {}, {}
        for field in fields:
            if version not in field.versions:
                continue
            if version in field.tagged:
                tagged[field.tag] = field
                value[field.name] = self.default(field, version)
            else:
                value[field.name] = self.get(field, field.type, source, version)
        for _ in range(source.uvarint() if self.is_flexible(version) else 0):
            tag, data = source.uvarint(), source.take(source.uvarint())
            if tag in tagged:
                field = tagged[tag]
                value[field.name] = self.get(field, field.type, Source(data), version)
        return value

    def get_size(self, form, field, source, version):
        return source.uvarint() - 1 if self.is_flexible(version, field) else source.number(form)

    def get(self, field, kind, source, version):
        if kind.startswith("[]"):
            size = self.get_size(">i", field, source, version)
            return None if size < 0 else [self.get(field, kind[2:], source, version) for _ in range(size)]
        if kind in FORMS:
            return source.number(FORMS[kind])
        if kind == "uuid":
            return source.take(16)
        if kind in ("string", "bytes", "records"):
            size = self.get_size(">h" if kind == "string" else ">i", field, source, version)
            data = None if size < 0 else source.take(size)
            return data.decode(errors="replace") if data is not None and kind == "string" else data
        if version in field.null and not field.type.startswith("[]"):
            there = source.uvarint() if version in field.tagged else source.number(">b")
            if there <= 0 and (there < 0 or version in field.tagged):
                return None
        return self.get_struct(self.fields_of(field), source, version)


class Api:
    def __init__(self, key, name):
        self.key, self.name = key, name
        self.request = self.response = None

    def versions(self):
        return range(self.request.versions.first, self.request.versions.last + 1)

    def header(self, version, correlation_id, client="wire"):
        out = struct.pack(">hhi", self.key, version, correlation_id) + struct.pack(">h", len(client)) + client.encode()
        return out + (b"\0" if self.request.is_flexible(version) else b"")

    def answer(self, frame, version):
        """The body of an answer. A broker answers ApiVersions of a version that it does not know with version 0."""
        source = Source(frame, 4)
        if self.name == "ApiVersions":
            if version not in self.request.versions or struct.unpack(">h", frame[4:6])[0] == 35:
                version = 0
        elif self.response.is_flexible(version):
            for _ in range(source.uvarint()):
                source.uvarint()
                source.take(source.uvarint())
        value = self.response.decode(source, version)
        if source.at != len(frame):
            raise Malformed("%d bytes are left behind the answer" % (len(frame) - source.at))
        return value


def read_schema(path):
    """The Api of a file."""
    api, fields_at = None, []
    for line in path.read_text().splitlines():
        words = line.split("#", 1)[0].split()
        depth = (len(line) - len(line.lstrip())) // 2
        if not words or words[0] == "listeners":
            continue
        if words[0] == "api":
            api = Api(int(words[1]), words[2])
        elif depth == 0:
            message = Message(dict(word.split("=", 1) for word in words[1:] if "=" in word))
            setattr(api, words[0], message)
            fields_at = [None, message.fields]
        elif words[0] == "struct":
            fields_at = [None, None, message.structs.setdefault(words[1], [])]
        else:
            field = Field(words)
            fields_at[depth].append(field)
            fields_at[depth + 1:] = [field.fields]
    return api


def read_all(folder):
    """{name: Api} of protocol/schema/api."""
    found = (read_schema(path) for path in sorted(pathlib.Path(folder).glob("*.schema")))
    return {api.name: api for api in found}


def name_of_key(apis):
    return {api.key: api.name for api in apis.values()}


def plain_path(path):
    """A path of field names without the indexes of arrays."""
    return re.sub(r"\[\d+\]", "", path)
