// The images of an item with several: a click on a small one, or the key i, shows it large. Nothing is loaded anew.

import { announce, backToItem } from "./dom.js";

{
  const links = () => [...document.querySelectorAll(".images [data-large]")];

  function enlarge(link) {
    for (const each of links()) each.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
    const image = Object.assign(new Image(), { src: link.dataset.large, alt: link.dataset.alt });
    image.dataset.picture = "";
    image.dataset.original = link.dataset.original;
    link.closest("figure").firstElementChild.replaceWith(image);
    link.scrollIntoView({ block: "nearest", inline: "nearest" });
    announce(`${link.dataset.alt}: ${link.textContent.replace(/\s+/g, " ").trim()}`);
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".images [data-large]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // those open it elsewhere
    event.preventDefault();
    enlarge(link);
    if (event.detail) backToItem(); // the next key is about the item
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-next-image]")) return;
    const all = links();
    const at = all.findIndex((link) => link.hasAttribute("aria-current"));
    if (all.length) enlarge(all[(at + 1) % all.length]);
  });
}
