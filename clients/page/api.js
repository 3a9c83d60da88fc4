// Requests to the service, with the token where it wants one.

const KEY = "echosieve-token";

/** The service refused, or cannot be reached (status 0). `message` is for the person in front. */
export class Refused extends Error {
  constructor(message, status, retry_s = null) {
    super(message);
    this.status = status;
    this.retry_s = retry_s;
  }
}

/** The token that requests carry; it is gone with the tab. */
export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
};

const SENDS_NOTHING =
  "This token sends no picture and sound: join a session or look back at one, or give a token with the role publish.";
const MAY = { ask: ["ask", "watch"], admin: ["publish", "ask", "watch", "admin"] };

/**
 * Whether the token lets one do what takes `role` (see session/auth.py). The service has the last
 * word: without a token, or with one that says nothing here, it is asked.
 */
export function may(role) {
  const own = roles(token.get());
  return !own || own.some((one) => one === role || MAY[one]?.includes(role));
}

/** What the token lacks for the page, said to the person in front; null where it lacks nothing. */
export function lacking() {
  if (may("publish") && may("watch")) return null;
  if (may("watch")) return SENDS_NOTHING;
  const own = roles(token.get()).join(" and ");
  return `This page sends a stream and shows what becomes of it: it takes a token with the roles publish and watch (and ask, to put questions). This token has ${own} alone.`;
}

/** Those that stand in a token (a JWT); null where it is none. */
function roles(text) {
  try {
    const claims = text.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).role.split(" ");
  } catch {
    return null;
  }
}

/** A request; resolves to the response. Throws `Refused`, and AbortError. */
export async function request(method, path, { body, headers = {}, ...options } = {}) {
  const bearer = token.get();
  const carried = bearer ? { ...headers, Authorization: `Bearer ${bearer}` } : headers;
  let response;
  try {
    response = await fetch(path, { method, headers: carried, body, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service cannot be reached. Is it still running?", 0);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** What is being read of a response. Throws `Refused` where it breaks off, and AbortError. */
export async function read(reading) {
  try {
    return await reading;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The answer of the service broke off.", 0);
  }
}

/** A request whose answer is JSON, or nothing. `content`, where given, is sent as JSON. */
export async function call(method, path, content) {
  const headers = content === undefined ? {} : { "Content-Type": "application/json" };
  const response = await request(method, path, { body: JSON.stringify(content), headers });
  return response.status === 204 ? null : read(response.json());
}

async function refusal(response) {
  const { status } = response;
  const retry_s = response.headers.get("Retry-After");
  if (status === 503) {
    const when = retry_s ? `in ${retry_s} s` : "soon";
    return new Refused(`The service is busy with other streams. Try again ${when}.`, 503, retry_s);
  }
  const body = await response.json().catch(() => null);
  const message = body?.error?.message ?? `The service answered with status ${status}.`;
  return new Refused(message, status, retry_s);
}
