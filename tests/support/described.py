"""Is an answer what api/openapi.yaml says, with no member that it does not name?"""

import functools

import jsonschema_rs
import yaml

from support import paths


@functools.cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    document = yaml.safe_load((paths.ROOT / "api" / "openapi.yaml").read_text())
    return jsonschema_rs.Draft202012Validator({
        "$ref": f"#/components/schemas/{schema}",
        "components": document["components"],
        "unevaluatedProperties": False,
    })


def described(schema: str, answer: object) -> object:
    """The answer, once it is what the schema of that name says."""
    errors = [f"{list(error.instance_path)}: {error.message}" for error in _validator(schema).iter_errors(answer)]
    assert not errors, errors
    return answer
