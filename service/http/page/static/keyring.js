// The caller's key: kept for this tab alone, and gone with it.

const PLACE = "goodserve.key";
let key = stored((storage) => storage.getItem(PLACE)) ?? "";

export const heldKey = () => key;

export function holdKey(text) {
  key = text.trim();
  stored((storage) => (key ? storage.setItem(PLACE, key) : storage.removeItem(PLACE)));
}

// A browser may refuse its storage; then the key lasts until the page is loaded again.
function stored(use) {
  try {
    return use(sessionStorage);
  } catch {
    return null;
  }
}
