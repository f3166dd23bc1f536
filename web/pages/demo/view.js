// Turns an answer of /demo/explain into elements. Data becomes text nodes only.
import { below, isLeaf, leaves } from './json.js';

/** Makes an element: el('p', {class: 'x'}, 'text', child, …). */
export function el(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (v !== undefined && v !== false) e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.filter((c) => c || c === 0));
  return e;
}

const strength = ['kept', 'reduced', 'removed', 'undeclared', 'withheld'];

/** The best fate that each path has with some recipient. */
export function bestFates(recipients) {
  const best = new Map();
  for (const r of recipients) {
    for (const f of r.fields) {
      if (f.offered) continue;
      const known = best.get(f.path);
      if (known === undefined || strength.indexOf(f.fate) < strength.indexOf(known)) best.set(f.path, f.fate);
    }
  }
  return best;
}

/** The event's own text with each field marked by its fate. */
export function markInput(text, root, best) {
  const out = document.createDocumentFragment();
  let at = 0;
  for (const leaf of leaves(root)) {
    out.append(text.slice(at, leaf.start));
    const fate = best.get(leaf.path) ?? 'undeclared';
    out.append(el('span', { class: `leaf ${fate}`, 'data-path': leaf.path }, text.slice(leaf.start, leaf.end)));
    at = leaf.end;
  }
  out.append(`${text.slice(at)}\n`);
  return out;
}

/** The bytes a recipient gets, broken into lines for reading. */
export function showOutput(text, root, fields) {
  const fates = new Map(fields.filter((f) => f.fate !== 'removed' && f.fate !== 'undeclared').map((f) => [f.path, f]));
  const raw = (node) => text.slice(node.start, node.end);
  const write = (node, path, indent, key) => {
    const label = key ? [el('b', {}, key), ': '] : [];
    if (isLeaf(node)) {
      const f = fates.get(path);
      const kind = f?.offered ? 'offered' : f?.fate ?? 'kept';
      return [el('span', {
        class: `leaf ${kind}`, 'data-path': path, title: f?.form,
      }, ...label, el('span', { class: node.kind }, raw(node)))];
    }
    const inner = `${indent}  `;
    const entries = node.kind === 'object'
      ? node.members.map((m) => write(m.value, below(path, m.key), inner, text.slice(m.start, text.indexOf(':', m.start + JSON.stringify(m.key).length))))
      : node.items.map((i) => write(i, `${path}[]`, inner));
    const [open, close] = node.kind === 'object' ? '{}' : '[]';
    const lines = entries.flatMap((e, i) => [inner, ...e, i < entries.length - 1 ? ',\n' : '\n']);
    return [...label, `${open}\n`, ...lines, `${indent}${close}`];
  };
  const out = document.createDocumentFragment();
  out.append(...write(root, '', ''));
  return out;
}

function lineLink(line) {
  return line ? el('a', { href: `#L${line}`, class: 'line' }, `line ${line}`) : el('span', { class: 'line' }, 'defaults');
}

function days(n) {
  if (n % 365 === 0) return `${n / 365} year${n === 365 ? '' : 's'}`;
  return n > 60 ? `${Math.round(n / 30.4)} months` : `${n} days`;
}

/** What one recipient gets; output is its root in text, or null. */
export function recipientPane(r, text, output) {
  const count = (fate) => r.fields.filter((f) => f.fate === fate && !f.offered).reduce((n, f) => n + f.count, 0);
  const role = { own: 'the controller itself', processor: 'on the controller’s behalf', third_party: 'third party' }[r.role] ?? r.role;
  const body = output
    ? el('pre', { class: 'code', tabindex: 0, 'aria-label': `What ${r.name} gets` }, showOutput(text, output, r.fields))
    : el('div', { class: 'nothing' }, el('p', { class: 'big' }, 'Withheld'), el('p', {}, `${r.why[0].toUpperCase()}${r.why.slice(1)}.`),
      el('p', { class: 'note' }, 'Not one byte of it leaves this process for ', el('code', {}, r.topic), '.'));
  const summary = r.pass
    ? [`kept ${count('kept')} · reduced ${count('reduced')} · removed ${count('removed') + count('undeclared')}`,
      r.expires_days ? ` · expires in ${days(r.expires_days)}` : '']
    : ['nothing'];
  return el('article', { class: `pane ${r.pass ? 'passes' : 'withheld'}`, 'data-recipient': r.name, 'data-pass': String(r.pass) },
    el('header', {}, el('h2', {}, el('span', { class: 'to' }, 'To '), r.name, ' ', el('code', { class: 'topic' }, r.topic)), el('span', { class: 'role' }, role)),
    el('p', { class: 'summary' }, ...summary),
    body,
    r.pass && el('p', { class: 'gate' }, `Passes: ${r.why} (`, lineLink(r.gateLine), ').'));
}

function fateCell(recipient, fates) {
  if (!recipient.pass) return el('td', { role: 'cell' }, el('span', { class: 'badge withheld' }, 'withheld'));
  if (!fates) return el('td', { role: 'cell' }, el('span', { class: 'quiet' }, '–'));
  return el('td', { role: 'cell' }, ...fates.map((f) => el('div', { class: 'fate' },
    el('span', { class: `badge ${f.fate}` }, f.fate),
    f.count > 1 && el('span', { class: 'quiet' }, ` ×${f.count}`),
    f.form && el('code', { class: 'form' }, f.form),
    el('span', { class: 'reason' }, f.reason),
    f.line && lineLink(f.line))));
}

/** The table of every field; a column for each recipient. */
export function fieldTable(recipients) {
  const rows = new Map();
  recipients.forEach((r, i) => r.fields.forEach((f) => {
    const row = rows.get(f.path) ?? { path: f.path, offered: f.offered, by: [] };
    (row.by[i] ??= []).push(f);
    rows.set(f.path, row);
  }));
  const heads = ['Field', ...recipients.map((r) => r.name), 'Why it may be collected', 'Law'];
  const body = [...rows.values()].map((row) => {
    const all = row.by.flat();
    const told = all.filter((f) => f.why).sort((a, b) => strength.indexOf(a.fate) - strength.indexOf(b.fate))[0];
    const law = [...new Set(all.flatMap((f) => f.law ?? []))];
    return el('tr', { role: 'row', 'data-path': row.path },
      el('th', { role: 'rowheader', scope: 'row' }, el('code', {}, row.path || '(the event)'),
        row.offered && el('span', { class: 'badge offered' }, 'supplied')),
      ...recipients.map((r, i) => { const c = fateCell(r, row.by[i]); c.setAttribute('data-label', r.name); return c; }),
      el('td', { role: 'cell', 'data-label': 'Why' }, ...(told
        ? [el('span', { class: 'why' }, told.why), el('span', { class: 'quiet' }, [told.purposes?.join(', '), told.category, told.retention].filter(Boolean).join(' · '))]
        : [el('span', { class: 'quiet' }, 'no rule, so no reason to have it')])),
      el('td', { role: 'cell', 'data-label': 'Law', class: 'lawcell' }, ...law.map((l) => el('div', {}, l))));
  });
  return [
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads.map((h) => el('th', { role: 'columnheader', scope: 'col' }, h)))),
    el('tbody', { role: 'rowgroup' }, ...body),
  ];
}

/** The policy document with numbered lines that can be linked to. */
export function policyLines(text) {
  return text.replace(/\n$/, '').split('\n').map((line, i) => el('li', {
    id: `L${i + 1}`, class: line.trimStart().startsWith('#') ? 'comment' : undefined,
  }, line || ' '));
}
