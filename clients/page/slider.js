// Sliders of shares: people move them by whole percents, and they show exactly what is set.

const LEAST = 1; // percent; what is set may be less, or more than the slider goes up to
const EVENLY = "1";

/** Show `share` on a slider that goes up to `most` percent, also where it lies between two steps. */
export function showShare(slider, share, most) {
  const value = Number((100 * share).toFixed(2));
  slider.step = Number.isInteger(value) ? EVENLY : "any";
  slider.min = Math.min(LEAST, value);
  slider.max = Math.max(most, value);
  slider.value = value;
}

/** The share to which a person has moved the slider: whole percents again. */
export function shareMoved(slider) {
  slider.step = EVENLY;
  slider.min = LEAST;
  return Number((slider.value / 100).toFixed(2));
}
