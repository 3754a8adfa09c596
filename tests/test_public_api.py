"""Public names and signatures change only on purpose."""

from public_api import SNAPSHOT, listing


def test_public_names_and_signatures_are_those_of_the_snapshot():
    now, then = listing().splitlines(), SNAPSHOT.read_text().splitlines()
    changes = [f"+ {line}" for line in now if line not in then] + [f"- {line}" for line in then if line not in now]
    assert now == then, "\n".join(["the public API changed; `make api` accepts it:", *changes])
