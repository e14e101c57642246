// A small element builder and patcher. Text goes in as text nodes only; there is no way to pass markup.

/** @typedef {{tag: string, key: string | undefined, props: Record<string, any>, children: Child[]}} Element_ */
/** @typedef {Element_ | string | number | null | undefined | false} Loose */
/** @typedef {Element_ | string} Child */

const SVG = "http://www.w3.org/2000/svg";

/** What each node was last made from. @type {WeakMap<Node, Child>} */
const madeFrom = new WeakMap();
/** @type {WeakMap<Node, Record<string, (event: any) => void>>} */
const listeners = new WeakMap();

/**
 * Describes one element. Props are attributes; `on` holds listeners, `key` tells siblings apart.
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...(Loose | Loose[])} children
 * @returns {Element_}
 */
export function h(tag, props, ...children) {
  const { key, ...rest } = props ?? {};
  return { tag, key, props: rest, children: clean(children) };
}

/** @param {(Loose | Loose[])[]} children @returns {Child[]} */
function clean(children) {
  /** @type {Child[]} */
  const kept = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false || child === "") continue;
    kept.push(typeof child === "number" ? String(child) : child);
  }
  return kept;
}

/**
 * Makes the children of `parent` equal to `wanted`, keeping every node that can be kept, so that
 * focus, typed text and open disclosures survive a change of state.
 * @param {Node} parent
 * @param {(Loose | Loose[])[]} wanted
 */
export function patch(parent, wanted) {
  const children = clean(wanted);
  const old = [...parent.childNodes];
  const keyed = new Map();
  for (const node of old) {
    const from = madeFrom.get(node);
    if (from && typeof from !== "string" && from.key !== undefined) keyed.set(from.key, node);
  }
  const free = old.filter((node) => ![...keyed.values()].includes(node));
  const chosen = children.map((child) => choose(child, keyed, free));
  for (const node of old) if (!chosen.includes(node)) parent.removeChild(node);
  /** @type {Node | null} */
  let cursor = parent.firstChild;
  children.forEach((child, index) => {
    const kept = chosen[index];
    const node = kept ?? create(child, parent);
    if (kept) update(kept, child);
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
  });
}

/** @param {Child} child @param {Map<string, Node>} keyed @param {Node[]} free @returns {Node | undefined} */
function choose(child, keyed, free) {
  if (typeof child !== "string" && child.key !== undefined) {
    const node = keyed.get(child.key);
    return node && fits(node, child) ? node : undefined;
  }
  const at = free.findIndex((node) => fits(node, child));
  return at < 0 ? undefined : free.splice(at, 1)[0];
}

/** @param {Node} node @param {Child} child */
function fits(node, child) {
  const from = madeFrom.get(node);
  if (from === undefined) return false;
  if (typeof from === "string" || typeof child === "string") return typeof from === typeof child;
  return from.tag === child.tag && from.key === child.key;
}

/** What stands in a drawing is drawn. @param {Child} child @param {Node} parent @returns {Node} */
function create(child, parent) {
  if (typeof child === "string") {
    const text = document.createTextNode(child);
    madeFrom.set(text, child);
    return text;
  }
  const drawn = child.tag === "svg" || /** @type {Element} */ (parent).namespaceURI === SVG;
  const node = drawn ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  attributes(node, {}, child.props);
  patch(node, child.children);
  madeFrom.set(node, child);
  return node;
}

/** @param {Node} node @param {Child} child */
function update(node, child) {
  const before = madeFrom.get(node);
  madeFrom.set(node, child);
  if (typeof child === "string") {
    if (before !== child) node.nodeValue = child;
    return;
  }
  attributes(/** @type {Element} */ (node), /** @type {Element_} */ (before).props, child.props);
  patch(node, child.children);
}

/** @param {Element} node @param {Record<string, any>} before @param {Record<string, any>} now */
function attributes(node, before, now) {
  for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const value = now[name];
    if (name === "on") listen(node, value ?? {});
    else if (value === before[name]) continue;
    else if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : String(value));
    // The attribute is only where a box starts from; once touched, the property counts.
    if (name === "checked" && value !== before[name]) /** @type {HTMLInputElement} */ (node).checked = value === true;
  }
}

/** @param {Element} node @param {Record<string, (event: any) => void>} handlers */
function listen(node, handlers) {
  const before = listeners.get(node) ?? {};
  listeners.set(node, handlers);
  for (const type of Object.keys(handlers)) {
    if (!(type in before)) node.addEventListener(type, (event) => listeners.get(node)?.[type]?.(event));
  }
}
