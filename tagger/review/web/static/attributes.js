// The lists of further tags. While one has the focus, keys are the list's own: none of them saves anything.

import { backToItem } from "./dom.js";

{
  const isList = (element) => element.matches?.(".attributes select") ?? false;
  let usesKeys = false;

  document.addEventListener("pointerdown", (event) => {
    if (isList(event.target)) usesKeys = false;
  });

  const keyPressed = (event) => {
    if (!isList(event.target)) return;
    usesKeys = true;
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault(); // Enter would press the form's first button
    backToItem();
  };
  document.addEventListener("keydown", keyPressed, true); // before the keys of the page

  document.addEventListener("change", (event) => {
    if (isList(event.target) && !usesKeys) backToItem(); // after a click, the next key is about the item
  });
}
