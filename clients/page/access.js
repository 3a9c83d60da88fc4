// Requests to the service, with the token that it asks for where it has a key.

const KEPT = "echosieve-token"; // for as long as the tab is open

/** `fetch`, with the token. When the service wants another, `document` hears "tokenwanted". */
export async function request(path, options = {}) {
  const token = sessionStorage.getItem(KEPT);
  const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) document.dispatchEvent(new Event("tokenwanted"));
  return response;
}

/** A file of the service as an address for media elements, which send no tokens themselves. */
export async function address(path) {
  if (!sessionStorage.getItem(KEPT)) return path;
  const response = await request(path);
  return response.ok ? URL.createObjectURL(await response.blob()) : path;
}

/** Show `form` when a token is wanted; `entered` is called when there is a new one. */
export function askForToken(form, entered) {
  const field = form.elements.token;
  document.addEventListener("tokenwanted", () => {
    form.hidden = false;
    field.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(KEPT, field.value.trim());
    field.value = "";
    form.hidden = true;
    entered();
  });
}
