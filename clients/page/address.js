// The address of the page: the session that is looked at, so that a link and a reload lead to it.

const NAMED = /^#session=([\w-]+)$/;

/** The id of the session in the address; null where that is the one of the list. */
export const addressed = () => NAMED.exec(location.hash)?.[1] ?? null;

/** A person has chosen session `id` from the list, to which the back button leads. */
export function addressSession(id) {
  if (addressed()) history.replaceState(history.state, "", `#session=${id}`);
  else history.pushState({ chosen: true }, "", `#session=${id}`);
}

/** The list is shown instead. */
export function addressList() {
  history.replaceState(null, "", location.pathname + location.search);
}

/** Go back to the list, where the session was chosen from it; whether it was. */
export function backToList() {
  const chosen = Boolean(addressed() && history.state?.chosen);
  if (chosen) history.back();
  return chosen;
}
