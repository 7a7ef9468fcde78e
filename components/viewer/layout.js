// How many rows and columns: the grid in which the films are seen largest.

/**
 * @param {number} count panes @param {number} width @param {number} height of the area @param {number} aspect film width / height
 * @returns {{rows: number, columns: number}}
 */
export function bestGrid(count, width, height, aspect) {
  let best = { rows: 1, columns: Math.max(1, count), size: -1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const size = Math.min(width / columns, (height / rows) * aspect);
    const empty = rows * columns - count;
    if (size > best.size * (empty ? 1.02 : 1)) best = { rows, columns, size };
  }
  return { rows: best.rows, columns: best.columns };
}
