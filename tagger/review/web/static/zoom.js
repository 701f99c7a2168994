// An image as large as its file: a click on it, or the key z. Once more shows it twice as large, and then closes it.

import { backToItem, one } from "./dom.js";

/** Show an image large; `image` has the address of the original in `data-original`. */
export function zoom(image) {
  const dialog = one("#zoom");
  const shown = one("img", dialog) ?? dialog.appendChild(new Image());
  shown.src = image.dataset.original;
  shown.alt = image.alt;
  dialog.classList.remove("twice");
  dialog.showModal();
}

function further() {
  const dialog = one("#zoom");
  if (dialog.classList.contains("twice")) dialog.close();
  else dialog.classList.add("twice");
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-zoom]");
  const picture = event.target.closest("figure > img[data-original]");
  if (event.target.closest("#zoom img")) further();
  else if (event.target.id === "zoom") one("#zoom").close(); // beside the image
  else if ((link || picture) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault(); // without a script, the link opens the image
    zoom(picture ?? one("figure > img[data-original]", link.closest("figure")));
  }
});

document.addEventListener("keydown", (event) => {
  if (!one("#zoom[open]") || event.key !== "z") return;
  event.preventDefault();
  further();
});

one("#zoom")?.addEventListener("close", () => {
  one("#zoom img").remove();
  if (!document.activeElement?.matches(".card input")) backToItem();
});
