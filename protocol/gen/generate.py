#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The message compiler: reads the schema files (protocol/schema/README.md) and writes messages.h, the C structs, and
messages.c, the tables that describe them (protocol/tables.h). Data, not code: the one codec walks the tables.

    generate.py --schema DIR --out DIR

The output depends on the schema files only. A schema that breaks a rule is refused with its file and the rule."""
import argparse
import glob
import os
import re
import sys

NEVER = (1, 0)
NEWEST = 0x7FFF
SCALARS = {
    "bool": "bool", "int8": "int8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t",
    "uint32": "uint32_t", "int64": "int64_t", "float64": "double", "uuid": "struct uuid", "string": "struct slice",
    "bytes": "struct slice", "records": "struct records",
}
RANGES = {
    "int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1), "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-(2**63), 2**63 - 1),
}
KEYWORDS = set(
    "auto bool break case char const continue default do double else enum extern false float for goto if inline int "
    "long register restrict return short signed sizeof static struct switch true typedef union unsigned void volatile "
    "while".split()
)


class SchemaError(Exception):
    pass


def snake(name):
    """MetadataResponseTopic -> metadata_response_topic, V3AndBelowTopics -> v3_and_below_topics."""
    s = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z])([A-Z][a-z])", r"\1_\2", s).lower()


def versions(text, newest):
    """A VERS of the schema as a pair; "3+" runs to the newest version of the section."""
    if text is None or text == "none":
        return NEVER
    m = re.fullmatch(r"(\d+)(?:(\+)|-(\d+))?", text)
    if not m:
        raise SchemaError("bad versions %r" % text)
    first = int(m.group(1))
    last = newest if m.group(2) else int(m.group(3) or first)
    return (first, last) if first <= last else NEVER


def overlap(a, b):
    r = (max(a[0], b[0]), min(a[1], b[1]))
    return r if r[0] <= r[1] else NEVER


class Field:
    def __init__(self, name, type_, vers, attrs):
        self.name = name
        self.array = type_.startswith("[]")
        self.type = type_[2:] if self.array else type_
        self.vers_text = vers
        self.members = []
        self.attrs = {}
        self.ignorable = False
        for a in attrs:
            key, eq, value = a.partition("=")
            if a == "ignorable":
                self.ignorable = True
            elif eq and key in ("null", "default", "tag", "flexible"):
                self.attrs[key] = value
            elif a != "key":
                raise SchemaError("unknown attribute %r of %s" % (a, name))
        self.c_name = snake(name)
        if self.c_name in KEYWORDS:
            self.c_name += "_"


class Struct:
    """One C struct with its table: a message's body, a nested struct or the element of an array of structs."""

    def __init__(self, c_name, fields):
        self.c_name = c_name
        self.fields = fields


class Message:
    """One section of a schema file."""

    def __init__(self, name, kind, attrs):
        self.name = name
        self.kind = kind
        self.top = []
        self.shared = {}
        values = dict(a.split("=", 1) for a in attrs if "=" in a)
        self.vers = versions(values.get("versions"), NEWEST)
        if self.vers == NEVER or self.vers[1] == NEWEST:
            raise SchemaError("section %s needs a closed range of versions" % name)
        self.flexible = versions(values.get("flexible"), self.vers[1])
        self.structs = []  # of class Struct, a struct after those it contains

    def resolve(self):
        self.by_type = {}
        self.body = self.build(self.name, self.top, ())

    def build(self, type_name, fields, above):
        c_name = snake(self.name) if type_name == self.name and not above else snake(self.name) + "_" + snake(type_name)
        names = set()
        for f in fields:
            for n in [f.c_name] + ([f.c_name + "_count"] if f.array else []):
                if n in names:
                    raise SchemaError("%s has two members %s" % (c_name, n))
                names.add(n)
            self.resolve_field(f, above + (type_name,))
        tags = [f.tag for f in fields if f.tag >= 0]
        for tag in tags:
            if tags.count(tag) > 1:
                raise SchemaError("%s has the tag %d twice" % (c_name, tag))
        struct = Struct(c_name, sorted((f for f in fields), key=lambda f: (f.tag >= 0, f.tag)))
        struct.members = fields
        self.structs.append(struct)
        return struct

    def resolve_field(self, f, above):
        f.vers = overlap(versions(f.vers_text, self.vers[1]), self.vers)
        f.null = overlap(versions(f.attrs.get("null"), self.vers[1]), f.vers)
        f.old_form = f.attrs.get("flexible") == "none"
        if "flexible" in f.attrs and not f.old_form:
            raise SchemaError("%s: flexible= of a field may only be none" % f.name)
        f.tag = -1
        if "tag" in f.attrs:
            number, _, tag_vers = f.attrs["tag"].partition("@")
            f.tag = int(number)
            if overlap(versions(tag_vers, self.vers[1]), f.vers) != f.vers:
                raise SchemaError("%s is tagged in some of its versions only" % f.name)
            if overlap(f.vers, self.flexible) != f.vers:
                raise SchemaError("%s is tagged in a version that is not flexible" % f.name)
        if f.type == "records" and (f.tag >= 0 or f.array):
            raise SchemaError("records %s may not be tagged or in an array" % f.name)
        f.sub = None
        if f.type not in SCALARS:
            f.sub = self.resolve_type(f, above)
        elif f.members:
            raise SchemaError("%s of type %s has members" % (f.name, f.type))
        f.pointer = f.sub is not None and not f.array and f.null != NEVER
        f.initializer = default_value(f)

    def resolve_type(self, f, above):
        if f.type in above:
            raise SchemaError("struct %s contains itself" % f.type)
        if f.members:
            if f.type in self.by_type or f.type in self.shared:
                raise SchemaError("struct %s is defined twice" % f.type)
            self.by_type[f.type] = self.build(f.type, f.members, above)
        elif f.type not in self.by_type:
            if f.type not in self.shared:
                raise SchemaError("unknown type %s" % f.type)
            self.by_type[f.type] = self.build(f.type, self.shared[f.type], above)
        return self.by_type[f.type]


class Api:
    def __init__(self, key, name):
        self.key = key
        self.name = name
        self.request = self.response = None


def parse_lines(path):
    """Yields (line number, depth, words) of the lines that say something."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.split("#", 1)[0].rstrip()
            if not text:
                continue
            indent = len(text) - len(text.lstrip(" "))
            if indent % 2:
                raise SchemaError("line %d: odd indent" % number)
            yield number, indent // 2, text.split()


def parse_file(path):
    """The API of a file, or None, and its messages."""
    api, name, messages, stack = None, None, [], []
    for number, depth, words in parse_lines(path):
        try:
            if depth == 0 and words[0] == "api":
                api, name = Api(int(words[1]), words[2]), words[2]
            elif depth == 0 and words[0] in ("data", "header"):
                name = words[1]
            elif depth == 0 and words[0] in ("request", "response", "body"):
                suffix = {"request": "Request", "response": "Response", "body": ""}[words[0]]
                messages.append(Message(name + suffix, words[0], words[1:]))
                stack = [messages[-1].top]
            elif depth == 0 and words[0] != "listeners":
                raise SchemaError("unknown line")
            elif depth == 1 and words[0] == "struct" and len(words) == 3:
                fields = messages[-1].shared.setdefault(words[1], [])
                stack = [None, fields]
            elif depth > 0:
                del stack[depth:]
                if len(stack) != depth or stack[-1] is None or len(words) < 3:
                    raise SchemaError("field out of place")
                field = Field(words[0], words[1], words[2], words[3:])
                stack[-1].append(field)
                stack.append(field.members)
        except (SchemaError, ValueError, IndexError) as e:
            raise SchemaError("line %d: %s" % (number, e)) from e
    for m in messages:
        m.resolve()
    if api:
        by_kind = {m.kind: m for m in messages}
        api.request, api.response = by_kind.get("request"), by_kind.get("response")
        if not api.request or not api.response or api.request.vers != api.response.vers:
            raise SchemaError("an API needs a request and a response of the same versions")
    return api, messages


def parse_tree(schema):
    apis, messages = [], []
    for path in sorted(glob.glob(os.path.join(glob.escape(schema), "*", "*.schema"))):
        try:
            api, found = parse_file(path)
        except SchemaError as e:
            raise SchemaError("%s: %s" % (path, e)) from e
        messages.extend(found)
        if api:
            apis.append(api)
    if not messages:
        raise SchemaError("no schema files under %s" % schema)
    c_names = [s.c_name for m in messages for s in m.structs]
    twice = {n for n in c_names if c_names.count(n) > 1}
    if twice or len({a.key for a in apis}) != len(apis):
        raise SchemaError("names or keys used twice: %s" % sorted(twice))
    return sorted(apis, key=lambda a: a.key), messages


def member_type(f):
    if f.sub:
        base = "struct " + f.sub.c_name
    else:
        base = SCALARS[f.type]
    if f.pointer:
        return "const " + base + " *"
    return base + " *" if f.array else base + " "


def default_value(f):
    """The C initialiser of a field's default; None where all bits zero is right."""
    text = f.attrs.get("default")
    if text == "null" and f.null == NEVER and f.vers != NEVER:
        raise SchemaError("%s: default=null, but it is never null" % f.name)
    if f.array:
        if text not in (None, "null"):
            raise SchemaError("%s: only null is known as default of an array" % f.name)
        return None  # the pointer; its count is set apart
    if f.sub:
        if f.pointer:
            return None if text == "null" else "&%s_defaults" % f.sub.c_name
        return struct_defaults(f.sub)
    if f.type in ("string", "bytes"):
        if text not in (None, "null"):
            raise SchemaError("%s: only null is known as default of %s" % (f.name, f.type))
        return None if text == "null" else "SLICE_EMPTY"
    if text in (None, "null", "false"):
        return None
    if f.type == "bool" and text == "true":
        return "true"
    if f.type in RANGES:
        try:
            value = int(text, 0)
        except ValueError as e:
            raise SchemaError("%s: default %s is no number" % (f.name, text)) from e
        low, high = RANGES[f.type]
        if not low <= value <= high:
            raise SchemaError("%s: default %s does not fit" % (f.name, text))
        if value == 0:
            return None
        if f.type == "int32" and value == low:
            return "INT32_MIN"
        return str(value)
    raise SchemaError("%s: default %s of %s is not supported" % (f.name, text, f.type))


def struct_defaults(struct):
    parts = []
    for f in struct.members:
        if f.array:
            if f.attrs.get("default") == "null":
                parts.append(".%s_count = -1" % f.c_name)
            continue
        if f.initializer is not None:
            parts.append(".%s = %s" % (f.c_name, f.initializer))
    return "{%s}" % ", ".join(parts) if parts else None


def vers_note(vers):
    return "none" if vers == NEVER else "%d" % vers[0] if vers[0] == vers[1] else "%d-%d" % vers


def field_note(f):
    parts = ["v" + vers_note(f.vers)]
    if f.null != NEVER:
        parts.append("null in any" if f.null == f.vers else "null in v" + vers_note(f.null))
    if f.tag >= 0:
        parts.append("tag %d" % f.tag)
    if f.ignorable:
        parts.append("ignorable")
    if f.attrs.get("default"):
        parts.append("default " + f.attrs["default"])
    return ", ".join(parts)


def emit_struct(out, struct):
    out.append("struct %s {" % struct.c_name)
    if not struct.members:
        out.append("    char no_fields; // C knows no empty struct")
    for f in struct.members:
        out.append("    %s%s; // %s" % (member_type(f), f.c_name, field_note(f)))
        if f.array:
            out.append("    int32_t %s_count;" % f.c_name)
    out.append("};")
    out.append("extern const struct %s %s_defaults;" % (struct.c_name, struct.c_name))
    out.append("static inline void %s_init(struct %s *m)" % (struct.c_name, struct.c_name))
    out.append("{")
    out.append("    *m = %s_defaults;" % struct.c_name)
    out.append("}")
    out.append("")


def emit_header(messages):
    out = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        "// Generated by protocol/gen/generate.py from protocol/schema/; do not edit. Include protocol/protocol.h,",
        "// which says how a schema becomes these structs.",
        "#ifndef OTTLA_PROTOCOL_MESSAGES_H",
        "#define OTTLA_PROTOCOL_MESSAGES_H",
        "",
    ]
    for m in messages:
        flexible = "never flexible" if m.flexible == NEVER else "flexible v%s" % vers_note(m.flexible)
        out.append("// %s: v%s, %s." % (m.name, vers_note(m.vers), flexible))
        for s in m.structs:
            emit_struct(out, s)
        out.append("extern const struct message_desc %s_desc;" % m.body.c_name)
        out.append("")
    out.append("#endif")
    return "\n".join(out) + "\n"


def field_row(struct, f):
    flags = [name for name, on in (("FIELD_IGNORABLE", f.ignorable), ("FIELD_ARRAY", f.array),
                                   ("FIELD_POINTER", f.pointer), ("FIELD_OLD_FORM", f.old_form)) if on]
    row = [
        '.name = "%s"' % f.name,
        ".since = %d, .until = %d" % f.vers,
        ".null_since = %d, .null_until = %d" % f.null,
        ".offset = offsetof(struct %s, %s)" % (struct.c_name, f.c_name),
        ".tag = %d" % f.tag,
        ".type = FIELD_%s" % ("STRUCT" if f.sub else f.type.upper()),
    ]
    if f.array:
        row.append(".count_offset = offsetof(struct %s, %s_count)" % (struct.c_name, f.c_name))
    if f.sub:
        row.append(".sub = &%s_struct" % f.sub.c_name)
    if flags:
        row.append(".flags = " + " | ".join(flags))
    return "    {%s}," % ", ".join(row)


def emit_table(out, struct):
    name = struct.c_name
    out.append("const struct %s %s_defaults = %s;" % (name, name, struct_defaults(struct) or "{0}"))
    if struct.fields:
        out.append("static const struct field_desc %s_fields[] = {" % name)
        out.extend(field_row(struct, f) for f in struct.fields)
        out.append("};")
    out.append("static const struct struct_desc %s_struct = {" % name)
    out.append("    .fields = %s," % (name + "_fields" if struct.fields else "NULL"))
    out.append("    .defaults = &%s_defaults," % name)
    out.append("    .size = sizeof(struct %s)," % name)
    out.append("    .field_count = %d," % len(struct.fields))
    out.append("    .in_place_count = %d," % sum(1 for f in struct.fields if f.tag < 0))
    out.append("};")
    out.append("")


def emit_source(apis, messages):
    out = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        "// Generated by protocol/gen/generate.py from protocol/schema/; do not edit.",
        '#include "protocol/tables.h"',
        "",
        '#define SLICE_EMPTY {(const uint8_t *)"", 0}',
        "",
    ]
    for m in messages:
        for s in m.structs:
            emit_table(out, s)
        out.append("const struct message_desc %s_desc = {" % m.body.c_name)
        out.append('    .name = "%s",' % m.name)
        out.append("    .body = &%s_struct," % m.body.c_name)
        out.append("    .min_version = %d, .max_version = %d," % m.vers)
        out.append("    .flexible_since = %d, .flexible_until = %d," % m.flexible)
        out.append("};")
        out.append("")
    out.append("const struct message_desc *const protocol_messages[] = {")
    # The order of bytes, which is the order of strcmp().
    out.extend("    &%s_desc," % m.body.c_name for m in sorted(messages, key=lambda m: m.name.encode()))
    out.append("};")
    out.append("const size_t protocol_message_count = sizeof protocol_messages / sizeof protocol_messages[0];")
    out.append("")
    out.append("const struct protocol_api protocol_apis[] = {")
    for a in apis:
        flexible = "INT16_MAX" if a.request.flexible == NEVER else str(a.request.flexible[0])
        out.append('    [%d] = {%d, "%s", %d, %d, %s, &%s_desc, &%s_desc},' % (
            a.key, a.key, a.name, a.request.vers[0], a.request.vers[1], flexible,
            a.request.body.c_name, a.response.body.c_name))
    out.append("};")
    out.append("const size_t protocol_api_count = sizeof protocol_apis / sizeof protocol_apis[0];")
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description="compile message schemas to C structs and tables")
    parser.add_argument("--schema", required=True, help="folder of the schema files")
    parser.add_argument("--out", required=True, help="folder for messages.h and messages.c")
    args = parser.parse_args()
    try:
        apis, messages = parse_tree(args.schema)
        files = {"messages.h": emit_header(messages), "messages.c": emit_source(apis, messages)}
    except SchemaError as e:
        sys.exit("generate.py: %s" % e)
    os.makedirs(args.out, exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(args.out, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
