// Small things that every part of the page needs.

/** The element with this id. */
export const at = (id) => document.getElementById(id);

/** A new element with attributes or properties, holding `parts` (texts and elements). */
export function make(name, properties = {}, ...parts) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...parts);
  return made;
}

/** A button that does `act` when it is pressed. `label` is read where the text alone says little. */
export function button(text, act, label = null) {
  const made = make("button", { type: "button" }, text);
  if (label) made.ariaLabel = label;
  made.addEventListener("click", act);
  return made;
}

/** Put `item`, which is of the moment `time`, into `list`: the newest on top, the later of two alike. */
export function placeByTime(list, item, time) {
  item.dataset.time = String(time);
  const older = [...list.children].find((other) => Number(other.dataset.time) <= time);
  list.insertBefore(item, older ?? null);
}

/** Do `handle` when the form is sent, instead of loading another page. */
export function onSubmit(form, handle) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    handle();
  });
}

/** Say `text` to those who do not see the page; once, and after what is being said. */
export function announce(text) {
  at("announcer").textContent = text;
}
