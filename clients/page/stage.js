// The picture and its buttons: how it is shown, whatever it shows.

import { at } from "./dom.js";

export function setStage(video) {
  at("show-kept").addEventListener("change", () => {
    at("sieved").hidden = !at("show-kept").checked;
  });
  at("sound").addEventListener("click", () => {
    video.muted = !video.muted;
    at("sound").setAttribute("aria-pressed", String(!video.muted));
  });
  video.addEventListener("resize", () => {
    at("stage").style.setProperty("--shape", video.videoWidth / video.videoHeight);
  });
}
