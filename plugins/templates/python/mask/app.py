"""plugin-name: masks payment card numbers written in digits. What it is; the masker is in mask.py."""

import mask  # the exported resource's class must live in a module of this name
from wit_world import exports
from wit_world.exports import describe


class Describe(exports.Describe):
    def describe(self) -> describe.Descriptor:
        return describe.Descriptor(
            id="plugin-name",
            version="0.1.0",
            kind=describe.Kind.MASK,
            formats=[],
            languages=[],
            features=describe.Features(0),
            options_schema='{"type":"object","additionalProperties":false}',
            hosts=[],
            secrets=[],
            session_max_s=None,
            compute=describe.Compute.LIGHT,
        )


class Mask(exports.Mask):
    pass
