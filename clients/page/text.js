// Numbers as people read them.

/** 75.31 -> "1:15". */
export function clockText(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** A stretch of session time: "0:04 to 0:14". */
export function spanText({ start_s, end_s }) {
  return `${clockText(start_s)} to ${clockText(end_s)}`;
}

/** Stretches by time, those that touch as one: "0:04 to 0:24, 0:54 to 1:04". */
export function spansText(spans) {
  const joined = [];
  for (const { start_s, end_s } of [...spans].sort((a, b) => a.start_s - b.start_s)) {
    const last = joined.at(-1);
    if (last && start_s <= last.end_s) last.end_s = Math.max(last.end_s, end_s);
    else joined.push({ start_s, end_s });
  }
  return joined.map(spanText).join(", ");
}

/** A share, as it was set: 0.2 -> "20 %", 0.333 -> "33.3 %". */
export function percent(share) {
  return `${Number((100 * share).toFixed(2))} %`;
}

/** 12.34 -> "12 ms", 4210 -> "4.2 s". */
export function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** `{video: 3, audio: 5}` of `{video: 18, audio: 50}` as a phrase. */
export function keptText(kept, seen) {
  return `${kept.video} of ${seen.video} picture and ${kept.audio} of ${seen.audio} sound tokens`;
}

/** (2, "window") -> "2 windows". */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** What a session is called: its room, and when it began. */
export function sessionName({ room, created_at }) {
  return `${room}, ${whenText(created_at)}`;
}

/** Unix seconds as a date and time of day; the year where it is another one. */
export function whenText(seconds) {
  const date = new Date(1000 * seconds);
  const style = { month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
  if (date.getFullYear() !== new Date().getFullYear()) style.year = "numeric";
  return new Intl.DateTimeFormat(undefined, style).format(date);
}
