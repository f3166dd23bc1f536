// A JSON reader that keeps every byte: numbers, repeated keys and escapes are
// shown as they came, which JSON.parse would lose.

const literal = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const blank = /[ \t\r\n]*/y;
const maxDepth = 256;

/** Where a text stops being JSON. */
export class Unreadable extends Error {
  constructor(text, offset) {
    const before = text.slice(0, offset).split('\n');
    super(`not JSON at line ${before.length}, column ${before.at(-1).length + 1}`);
  }
}

/**
 * Reads one value. A node is {kind, start, end} with members ({start, key, value})
 * or items; offsets count UTF-16 units of text.
 */
export function parse(text) {
  let at = 0;
  const fail = () => { throw new Unreadable(text, at); };
  const skip = () => { blank.lastIndex = at; blank.test(text); at = blank.lastIndex; };
  const take = (pattern) => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) fail();
    at = pattern.lastIndex;
  };
  const list = (close, one) => {
    at++;
    skip();
    if (text[at] === close) { at++; return; }
    for (;;) {
      one();
      skip();
      if (text[at] === close) { at++; return; }
      if (text[at] !== ',') fail();
      at++;
      skip();
    }
  };
  const value = (depth) => {
    if (depth > maxDepth) fail();
    skip();
    const node = { kind: 'scalar', start: at, end: at };
    if (text[at] === '{') {
      node.kind = 'object';
      node.members = [];
      list('}', () => {
        const start = at;
        take(string);
        const key = JSON.parse(text.slice(start, at));
        skip();
        if (text[at] !== ':') fail();
        at++;
        node.members.push({ start, key, value: value(depth + 1) });
      });
    } else if (text[at] === '[') {
      node.kind = 'array';
      node.items = [];
      list(']', () => node.items.push(value(depth + 1)));
    } else if (text[at] === '"') {
      node.kind = 'string';
      take(string);
    } else {
      take(literal);
    }
    node.end = at;
    return node;
  };
  const root = value(0);
  skip();
  if (at !== text.length) fail();
  return root;
}

const escapePath = (key) => key.replace(/[\\.[\]*]/g, '\\$&');
const isContainer = (node) => node.kind === 'object' || node.kind === 'array';

/** Whether the policy judges a node as one value: a scalar, an array of scalars, an empty object. */
export function isLeaf(node) {
  if (node.kind === 'object') return node.members.length === 0;
  return node.kind !== 'array' || !node.items.some(isContainer);
}

/** The path of a member below path, as policy documents write it. */
export const below = (path, key) => (path ? `${path}.${escapePath(key)}` : escapePath(key));

/** Every leaf: {path, start, end}, the key included. */
export function leaves(root) {
  const out = [];
  const walk = (node, path, start) => {
    if (isLeaf(node)) {
      out.push({ path, start, end: node.end });
    } else if (node.kind === 'object') {
      for (const m of node.members) walk(m.value, below(path, m.key), m.start);
    } else {
      for (const item of node.items) walk(item, `${path}[]`, item.start);
    }
  };
  walk(root, '', root.start);
  return out;
}

/** The same bytes without blanks between them. */
export function compact(text, node) {
  if (node.kind === 'object') {
    return `{${node.members.map((m) => `${JSON.stringify(m.key)}:${compact(text, m.value)}`).join(',')}}`;
  }
  if (node.kind === 'array') return `[${node.items.map((i) => compact(text, i)).join(',')}]`;
  return text.slice(node.start, node.end);
}

/** Finds the value of the last member named so; undefined where there is none. */
export const member = (node, key) => node.members?.findLast((m) => m.key === key)?.value;
