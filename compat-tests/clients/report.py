# SPDX-License-Identifier: Apache-2.0
"""What a client's test found: a line per feature as it goes, `feature<TAB>ok|fails|n/a<TAB>detail`, and at the end,
where env COMPAT_RESULTS names a folder, a file of them for the matrix."""

import json
import os
import pathlib

from records import Mismatch


class Report:
    def __init__(self, name, client, features, limits=()):
        """`name`: that of the test; `client`: with its version; `features`: all that must be told; `limits`: why less
        was asked of this client than of others."""
        self.name, self.client, self.features, self.limits = name, client, features, list(limits)
        self.found = {}

    def tell(self, feature, state, detail=""):
        if feature not in self.features or feature in self.found:
            raise Mismatch("the feature %s is told twice or not known" % feature)
        self.found[feature] = {"state": state, "detail": detail}
        print("%s\t%s\t%s" % (feature, state, detail), flush=True)

    def try_in_turn(self, checks, problems):
        """checks: {feature: function}, each of which begins where the one before has ended; problems: the exceptions
        by which one fails. Those behind it are not tried."""
        for feature, check in checks.items():
            try:
                check()
            except problems as problem:
                self.tell(feature, "fails", " ".join(str(problem).split()))
                return
            self.tell(feature, "ok")

    def close(self):
        """The exit code of the test; what was not told fails."""
        for feature in self.features:
            if feature not in self.found:
                self.tell(feature, "fails", "the test did not come so far")
        folder = os.environ.get("COMPAT_RESULTS")
        if folder:
            text = json.dumps({"client": self.client, "limits": self.limits,
                               "features": {name: self.found[name] for name in self.features}}, indent=1)
            (pathlib.Path(folder) / (self.name + ".json")).write_text(text)
        return 1 if any(told["state"] == "fails" for told in self.found.values()) else 0
