# SPDX-License-Identifier: Apache-2.0
"""One request that is compared, and what may stand in it."""

# Of members: the longest there is, so that none is lost, however slow the broker is.
SESSION_MS = 1800000


class Kept:
    """Stands for a field of an earlier answer."""

    def __init__(self, name):
        self.name = name


class Own:
    """Stands for a name that no other case uses."""

    def __init__(self, prefix):
        self.prefix = prefix


class Case:
    """One request. body: the fields that are not at their defaults. raw: instead of it, all bytes that
    are sent, sizes included. keep: {name for Kept: field of the answer}. change: frame -> frame.
    is_race: what is answered depends on how fast the broker is, and is not compared."""

    def __init__(self, name, api=None, version=0, body=None, raw=None, keep=None, change=None,
                 is_race=False):
        self.name, self.api, self.version = name, api, version
        self.body, self.raw, self.keep, self.change = body, raw, keep or {}, change
        self.is_race = is_race

    def frame(self, kept, correlation_id=1):
        """Without its size; kept: {name: what Kept stands for}."""
        body = self.filled(self.body, kept)
        frame = (self.api.header(self.version, correlation_id)
                 + self.api.request.encode(self.api.request.complete(body, self.version), self.version))
        return self.change(frame) if self.change else frame

    def filled(self, value, kept):
        if isinstance(value, Kept):
            return kept.get(value.name, "")
        if isinstance(value, Own):
            return "%s-%s" % (value.prefix, self.name.replace(" ", "-").replace("/", "-"))
        if isinstance(value, dict):
            return {key: self.filled(one, kept) for key, one in value.items()}
        return [self.filled(one, kept) for one in value] if isinstance(value, list) else value
