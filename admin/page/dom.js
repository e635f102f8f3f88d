// Small helpers around the document. Text only ever gets in as text, never as HTML.

// copy returns a copy of a template's first element, or of all of it.
export const copyAll = (id) => document.getElementById(id).content.cloneNode(true);
export const copy = (id) => copyAll(id).firstElementChild;

// set changes a text only if it differs, so that a selection survives.
export function set(node, text) {
  text = String(text);
  if (node.textContent !== text) node.textContent = text;
}

// make returns a new element.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const svgSpace = "http://www.w3.org/2000/svg";

// A Pen draws the shapes of an SVG element anew, and uses those again that are there. begin, any number of
// draw, end.
export class Pen {
  constructor(parent) {
    this.parent = parent;
    this.next = null;
  }

  begin() {
    this.next = this.parent.firstElementChild;
  }

  draw(tag, attributes, text) {
    let shape = this.next;
    if (shape && shape.tagName === tag) {
      this.next = shape.nextElementSibling;
    } else {
      shape = document.createElementNS(svgSpace, tag);
      this.parent.insertBefore(shape, this.next);
    }
    for (const name of shape.getAttributeNames()) {
      if (!(name in attributes)) shape.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(attributes)) {
      const now = typeof value === "number" ? String(Math.round(value * 100) / 100) : value;
      if (shape.getAttribute(name) !== now) shape.setAttribute(name, now);
    }
    if (text !== undefined) set(shape, text);
    return shape;
  }

  end() {
    while (this.next) {
      const gone = this.next;
      this.next = gone.nextElementSibling;
      gone.remove();
    }
  }
}

// describe fills a <dl> with pairs of a name and a value, and keeps the elements that are there.
export function describe(list, pairs) {
  pairs.forEach(([name, value], i) => {
    let pair = list.children[i];
    if (!pair) {
      pair = make("div", {}, make("dt"), make("dd"));
      list.append(pair);
    }
    set(pair.firstElementChild, name);
    set(pair.lastElementChild, value);
  });
  while (list.children.length > pairs.length) list.lastElementChild.remove();
}

// remember keeps an element for each key, in the order of the list, and moves none that stands right.
export class Keyed {
  constructor(parent, create) {
    this.parent = parent;
    this.create = create;
    this.known = new Map();
  }

  // show makes the children those of the list. key(item) tells them apart, update(node, item) fills one in.
  show(list, key, update) {
    const wanted = new Set(list.map(key));
    for (const [k, node] of this.known) {
      if (wanted.has(k)) continue;
      node.remove();
      this.known.delete(k);
    }
    let place = this.parent.firstElementChild;
    for (const item of list) {
      let node = this.known.get(key(item));
      if (!node) {
        node = this.create(item);
        this.known.set(key(item), node);
      }
      update(node, item);
      if (node === place) place = place.nextElementSibling;
      else this.parent.insertBefore(node, place);
    }
  }
}
