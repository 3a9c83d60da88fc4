// Where picture and sound come from.

/** There is no picture or sound to send. `message` is for the person in front of the page. */
export class NoSource extends Error {}

// Unscaled and uncropped: what the sieve sees is what the page shows.
const VIDEO = { width: 640, height: 480, frameRate: { ideal: 10 }, resizeMode: "none" };
// What makes calls pleasant takes away every sound that is not speech.
const AUDIO = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const TROUBLE = {
  NotAllowedError: "The camera and the microphone may not be used: allow them for this page.",
  NotFoundError: "Neither a camera nor a microphone was found.",
  NotReadableError: "The camera or the microphone is in use by another program.",
};

/** Camera and microphone, or the one of them there is, as a MediaStream. Throws `NoSource`. */
export async function camera() {
  if (!navigator.mediaDevices) {
    throw new NoSource("The browser gives cameras to pages on https or localhost only.");
  }
  const kinds = (await navigator.mediaDevices.enumerateDevices()).map((device) => device.kind);
  const wanted = {
    video: kinds.includes("videoinput") && VIDEO,
    audio: kinds.includes("audioinput") && AUDIO,
  };
  if (!wanted.video && !wanted.audio) throw new NoSource(TROUBLE.NotFoundError);
  return navigator.mediaDevices.getUserMedia(wanted).catch((error) => {
    throw new NoSource(TROUBLE[error.name] ?? `The camera cannot be used: ${error.message}`);
  });
}

/** Show `stream` in `video`. */
export async function display(video, stream) {
  video.srcObject = stream;
  await video.play();
}

/** The film of the demo scene, a Blob, playing in `video`, as a MediaStream. Throws `NoSource`. */
export async function demoScene(video, film) {
  if (!video.captureStream) {
    throw new NoSource("This browser cannot send a playing video. Use Chromium, or the camera.");
  }
  video.src = URL.createObjectURL(film);
  video.loop = true;
  await new Promise((resolve, reject) => {
    video.addEventListener("loadeddata", resolve, { once: true });
    video.addEventListener("error", () => reject(new NoSource("The demo scene did not load.")), {
      once: true,
    });
  });
  await video.play();
  return video.captureStream();
}

/** Let go of the devices of `stream`. */
export function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** Let go of whatever `video` shows. */
export function clear(video) {
  video.pause();
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  video.load();
}
