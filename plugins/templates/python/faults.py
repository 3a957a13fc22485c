"""Faults as the host's ladder understands them, with the remedy that usually fits."""

import json
import re

from wit_world.imports import link, types

REMEDIES = {
    types.FaultKind_Auth: types.Remedy.CONFIGURATION,
    types.FaultKind_Unsupported: types.Remedy.CONFIGURATION,
    types.FaultKind_InvalidOptions: types.Remedy.CONFIGURATION,
    types.FaultKind_EmptyResult: types.Remedy.CALLER,
}


class Fault(Exception):
    def __init__(self, kind, detail, remedy=None):
        super().__init__(detail)
        remedy = remedy or REMEDIES.get(type(kind), types.Remedy.NEXT_PROVIDER)
        self.value = types.Fault(kind, remedy, detail)


def check_status(head, wanted):
    """What an HTTP status of the vendor means; raises unless it is the wanted one."""
    if head.status == wanted:
        return
    detail = f"the vendor answered with status {head.status}"
    if head.status in (401, 403):
        raise Fault(types.FaultKind_Auth(), detail)
    if head.status in (402, 429):
        waits = [value.strip() for name, value in head.headers if name.lower() == "retry-after"]
        wait_ms = int(waits[0]) * 1000 if waits and re.fullmatch("[0-9]{1,9}", waits[0]) else None
        raise Fault(types.FaultKind_Quota(wait_ms), detail)
    if head.status in (408, 425) or head.status >= 500:
        raise Fault(types.FaultKind_Unavailable(), detail)
    if head.status in (404, 406, 415, 422):
        raise Fault(types.FaultKind_Unsupported(), detail)
    raise Fault(types.FaultKind_Protocol(), detail)


def of_link(failed):
    """What a failed link means for the session."""
    kinds = {
        link.LinkErrorKind.PROTOCOL: types.FaultKind_Protocol(),
        link.LinkErrorKind.LIMIT: types.FaultKind_SessionLimit(),
    }
    kind = kinds.get(failed.kind, types.FaultKind_Unavailable())
    denied = failed.kind == link.LinkErrorKind.EGRESS_DENIED
    return Fault(kind, f"the link failed: {failed.detail}", types.Remedy.CONFIGURATION if denied else None)


def wrong_option(path, message):
    return Fault(types.FaultKind_InvalidOptions([types.OptionFault(path, message)]), "the options do not satisfy the schema")


def parse_options(text):
    try:
        return json.loads(text)
    except ValueError:
        raise wrong_option("", "not JSON") from None


def at_endpoint(url, endpoint):
    """`url` with its origin replaced by the option `endpoint`, so that the plugin can be pointed at a local server."""
    if endpoint is None:
        return url
    origin = re.fullmatch(r"(https?|wss?)://([^/?#@{}\\\s]+)/?", endpoint)
    if not origin:
        raise wrong_option("/endpoint", "must be scheme://host[:port], without a path")
    scheme, path = re.fullmatch(r"([a-z]+)://[^/?#]*(.*)", url).groups()
    family = "ws" if scheme.startswith("ws") else "http"
    return family + ("s" if origin[1] in ("https", "wss") else "") + "://" + origin[2] + path
