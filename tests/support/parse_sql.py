"""Asks sqlfluff whether it can parse SQL statements.

Reads a JSON array of statements, writes a JSON array: null for a statement that parses, else what it stumbled over.
"""

import json
import sys

from sqlfluff.core import FluffConfig, Linter


def main() -> None:
    # The statements are SQL as it is sent: braces in a name are no template.
    config = FluffConfig(overrides={"dialect": sys.argv[1], "templater": "raw"})
    linter = Linter(config=config)
    answers = []
    for statement in json.load(sys.stdin):
        parsed = linter.parse_string(statement + ";\n")
        violations = [str(violation.desc()) for violation in parsed.violations]
        answers.append("; ".join(violations) if violations or parsed.tree else "nothing was parsed")
        if not violations and parsed.tree:
            answers[-1] = None
    json.dump(answers, sys.stdout)


main()
