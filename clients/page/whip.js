// One WebRTC connection to the service, opened with a single POST (WHIP, RFC 9725).

import { read, request } from "./api.js";

const GATHER_MS = 1000; // candidates found later than this are left to the other side to discover
const VIDEO = { maxFramerate: 10, maxBitrate: 1_200_000 };
const AUDIO = { maxBitrate: 64_000 };

/**
 * Publish `stream` as a new session in `room`, or as what `session` (an id) goes on with. Resolves
 * to `{peer, resource, session}`: the RTCPeerConnection, the URL that ends the session, and its id.
 * Throws `Refused`.
 */
export async function publish(stream, room, session = null) {
  const peer = new RTCPeerConnection({ iceServers: [] });
  try {
    for (const track of stream.getTracks()) await send(peer, track, stream);
    await peer.setLocalDescription();
    await gathered(peer);
    const going_on = session ? `?session=${encodeURIComponent(session)}` : "";
    const response = await request("POST", `/whip/${encodeURIComponent(room)}${going_on}`, {
      headers: { "Content-Type": "application/sdp" },
      body: peer.localDescription.sdp,
    });
    await peer.setRemoteDescription({ type: "answer", sdp: await read(response.text()) });
    const resource = new URL(response.headers.get("Location"), response.url).href;
    return { peer, resource, session: response.headers.get("X-EchoSieve-Session") };
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
