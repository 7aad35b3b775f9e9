"""Changes values inside of JSON."""

import json

STRANGE = [
    *(None, True, 0, -1, 1e308, 10**400, float("nan"), "", [], {}, [[]], [None], {"": ""}),
    *("\ud800", "\0", "a" * 1025, "%", "%zz", "+", "../", "/", "s3://", "s3://b/", "s3://b//k", "{}", "[" * 2000 + "]" * 2000),
    *("\u202e", "é", "2026-13-45T99:99:99Z", "-0", "1e400", "9" * 30),
]


def changed_json(content, generator):
    """Returns the JSON with one value replaced, removed, doubled, wrapped or made text; None if it is no JSON."""
    try:
        value = json.loads(content)
        holders = list(_holders(value))
        if not holders:
            return None
        holder, place = generator.choice(holders)
        match generator.randrange(6):
            case 0 | 1:
                holder[place] = generator.choice(STRANGE)
            case 2:
                other, there = generator.choice(holders)
                holder[place] = json.loads(json.dumps(other[there]))
            case 3:
                del holder[place]
            case 4:
                holder[place] = [holder[place]] * generator.choice([1, 2, 3])
            case 5:
                holder[place] = json.dumps(holder[place])
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return None


def _holders(value):
    """Yields each list and dict with each of its indexes or keys, wherever in `value` they are."""
    places = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else ()
    for place in places:
        yield value, place
        yield from _holders(value[place])
