// One WebRTC connection to the service, opened with a single POST (WHIP, RFC 9725).

import { request } from "./access.js";

const GATHER_MS = 1000; // candidates found later than this are left to the other side to discover
const VIDEO = { maxFramerate: 10, maxBitrate: 1_200_000 };
const AUDIO = { maxBitrate: 64_000 };

/** The service did not take the connection. `message` is for the person in front of the page. */
export class Refused extends Error {}

/**
 * Publish `stream`. Resolves to `{peer, channel, early, resource}`: the RTCPeerConnection, its data
 * channel, the message events that came before anyone could listen (they are added until
 * `channel.onmessage` is replaced), and the URL that ends the session. Throws `Refused`.
 */
export async function publish(stream, room) {
  const peer = new RTCPeerConnection({ iceServers: [] });
  try {
    const channel = peer.createDataChannel("events");
    const early = [];
    channel.onmessage = (event) => early.push(event);
    for (const track of stream.getTracks()) await send(peer, track, stream);
    await peer.setLocalDescription();
    await gathered(peer);
    const response = await offer(`/whip/${encodeURIComponent(room)}`, peer.localDescription.sdp);
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    const resource = new URL(response.headers.get("Location"), response.url).href;
    return { peer, channel, early, resource };
  } catch (error) {
    peer.close();
    throw error;
  }
}

async function send(peer, track, stream) {
  const isVideo = track.kind === "video";
  track.contentHint = isVideo ? "detail" : "music"; // small symbols and short sounds matter
  const sender = peer.addTrack(track, stream);
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) Object.assign(encoding, isVideo ? VIDEO : AUDIO);
  await sender.setParameters(parameters);
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState === "complete") resolve();
    });
  });
}

async function offer(url, sdp) {
  const headers = { "Content-Type": "application/sdp" };
  let response;
  try {
    response = await request(url, { method: "POST", headers, body: sdp });
  } catch {
    throw new Refused("The service cannot be reached. Is it still running?");
  }
  if (response.status !== 201) throw new Refused(await reason(response));
  return response;
}

async function reason(response) {
  if (response.status === 503) {
    const seconds = response.headers.get("Retry-After");
    return `The service is busy with other streams. Try again ${seconds ? `in ${seconds} s` : "soon"}.`;
  }
  return errorText(response);
}

/** What the service says was wrong, or the bare status where it says nothing. */
export async function errorText(response) {
  const body = await response.json().catch(() => null);
  return body?.error?.message ?? `The service answered with status ${response.status}.`;
}
