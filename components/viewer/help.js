// The help: the table of shortcuts and gestures as they are, in a sheet over the picture.

import { GESTURES, SHORTCUTS } from "./input.js";
import { element } from "./nodes.js";

/** @param {() => void} close */
export function helpSheet(close) {
  const sheet = element("div", "help");
  sheet.setAttribute("role", "dialog");
  sheet.setAttribute("aria-label", "Keys and gestures");
  const box = element("div", "box");
  const closing = element("button", "close", "Close");
  closing.type = "button";
  closing.addEventListener("click", close);
  box.append(element("h2", "", "Keys and gestures"), table(GESTURES), table(SHORTCUTS.map(({ shown, says }) => [shown, says])), closing);
  sheet.append(box);
  sheet.addEventListener("click", (event) => {
    if (event.target === sheet) close();
  });
  sheet.hidden = true;
  return sheet;
}

/** @param {string[][]} rows */
function table(rows) {
  const made = element("table", "");
  for (const [shown, says] of rows) {
    const row = element("tr", "");
    const head = element("th", "", shown);
    head.scope = "row";
    row.append(head, element("td", "", says));
    made.append(row);
  }
  return made;
}
