// The fill of the memory, as a bar and in words.

import { at } from "./dom.js";

/** Show a Memory of session/wire/. */
export function showMemory({ slots, used, prompt, video, audio }) {
  for (const [name, count] of Object.entries({ prompt, video, audio })) {
    at("memory").querySelector(`.${name}`).style.width = `${slots ? (100 * count) / slots : 0}%`;
  }
  const text =
    `${used} of ${slots} slots: ${prompt} for the instruction, ${video} for the picture, ` +
    `${audio} for sound`;
  at("memory-text").textContent = text;
  at("memory").setAttribute("aria-label", text);
}
