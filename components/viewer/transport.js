// Bytes by address: fetched once, decoded once, kept while something on the page still shows them.

/** @type {Map<string, Promise<ArrayBuffer>>} */
const FETCHED = new Map();

/** The bytes behind a media address of this server. @param {string} address @returns {Promise<ArrayBuffer>} */
export function bytesAt(address) {
  const known = FETCHED.get(address);
  if (known) return known;
  const coming = fetched(address);
  FETCHED.set(address, coming);
  coming.catch(() => FETCHED.delete(address));
  return coming;
}

/** Let go of everything that is not in use. @param {Set<string>} inUse */
export function keepOnly(inUse) {
  for (const address of FETCHED.keys()) if (!inUse.has(address)) FETCHED.delete(address);
}

/** The same, not kept here: for large buffers, which the caller may write into. @param {string} address */
export function freshBytesAt(address) {
  return fetched(address);
}

/** @param {string} address */
async function fetched(address) {
  const answer = await fetch(new URL(address.replace(/^\//, ""), document.baseURI));
  if (!answer.ok) throw new Error(`The server no longer has this picture (${answer.status}). Reload the page.`);
  return answer.arrayBuffer();
}

/**
 * Samples as codes. @param {ArrayBuffer} buffer @param {string} type @returns {Uint8Array | Uint16Array}
 */
export function codesIn(buffer, type) {
  if (type === "uint8") return new Uint8Array(buffer);
  if (type === "uint16") return new Uint16Array(buffer);
  throw new Error(`Samples of type ${type} cannot be shown.`);
}
