// Faults as the host's ladder understands them, with the remedy that usually fits.

const REMEDIES = { auth: "configuration", unsupported: "configuration", "invalid-options": "configuration", "empty-result": "caller" };

export class Fault extends Error {
  constructor(tag, detail, val) {
    super(detail);
    this.tag = tag;
    this.val = val;
    this.remedy = REMEDIES[tag] ?? "next-provider";
  }

  effect() {
    return { tag: "fail", val: { kind: { tag: this.tag, val: this.val }, remedy: this.remedy, detail: this.message } };
  }
}

// What an HTTP status of the vendor means; throws where it is a fault.
export function checkStatus(head) {
  const { status, headers } = head;
  const detail = `the vendor answered with status ${status}`;
  if (status === 401 || status === 403) throw new Fault("auth", detail);
  if (status === 402 || status === 429) {
    const field = headers.find(([name]) => name.toLowerCase() === "retry-after");
    throw new Fault("quota", detail, field && /^\d+$/.test(field[1]) ? Number(field[1]) * 1000 : null);
  }
  if (status === 408 || status === 425 || status >= 500) throw new Fault("unavailable", detail);
  if ([404, 406, 415, 422].includes(status)) throw new Fault("unsupported", detail);
  if (status >= 300 || (status >= 200 ? false : status !== 101)) throw new Fault("protocol", detail);
}

// What a failed link means for the session.
export function ofLink(failed) {
  const tag = { protocol: "protocol", limit: "session-limit" }[failed.kind] ?? "unavailable";
  const fault = new Fault(tag, `the link failed: ${failed.detail}`);
  if (failed.kind === "egress-denied") fault.remedy = "configuration";
  return fault;
}

export function parseOptions(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault("invalid-options", "the options are no JSON", [{ path: "", message: "not JSON" }]);
  }
}

// `url` with its origin replaced by the option `endpoint`, so that the plugin can be pointed at a local server.
export function atEndpoint(url, endpoint) {
  if (endpoint === undefined) return url;
  const origin = /^(https?|wss?):\/\/([^/?#@{}\\\s]+)\/?$/.exec(endpoint);
  if (!origin) {
    const message = "must be scheme://host[:port], without a path";
    throw new Fault("invalid-options", "the endpoint is no origin", [{ path: "/endpoint", message }]);
  }
  const [, scheme, path] = /^([a-z]+):\/\/[^/?#]*(.*)$/.exec(url);
  const encrypted = origin[1] === "https" || origin[1] === "wss";
  return `${scheme.startsWith("ws") ? "ws" : "http"}${encrypted ? "s" : ""}://${origin[2]}${path}`;
}
