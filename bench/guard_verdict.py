# SPDX-License-Identifier: Apache-2.0
"""What bench/guard says of two sets of counts; nothing else, so that it can be tested."""

TOLERANCE = 0.10


def differences(recorded, here):
    """Which of the surroundings are not those of the record; empty when all are."""
    return ", ".join("%s %s (here %s)" % (key, recorded[key], here.get(key))
                     for key in recorded if recorded[key] != here.get(key))


def judge(recorded, counted):
    """Lines to print, and whether nothing has grown by more than TOLERANCE."""
    lines, is_good = [], True
    for name in sorted(recorded.keys() | counted.keys()):
        if name not in recorded or name not in counted:
            lines.append("%s: %s; record anew with make guard RECORD=1"
                         % (name, "not recorded" if name in counted else "recorded, but not counted any more"))
            is_good = False
            continue
        before, now = recorded[name], counted[name]
        change = "%s: %d instructions per request, %+.1f %% beside the recorded %d" % (
            name, now, (now / before - 1) * 100, before)
        if now > before * (1 + TOLERANCE):
            is_good = False
            change += ": GREW. If that is meant, make guard RECORD=1 and commit bench/instructions.json with the reason"
        elif now < before * (1 - TOLERANCE):
            change += ": fell. Keep the gain: make guard RECORD=1"
        lines.append(change)
    return lines, is_good
