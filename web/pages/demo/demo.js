// The page's state and what changes it. Judging is the server's: every change
// asks /demo/explain again.
import { compact, member, parse } from './json.js';
import { first, samples } from './samples.js';
import { bestFates, el, fieldTable, markInput, policyLines, recipientPane } from './view.js';

const $ = (id) => document.getElementById(id);
const states = [['', 'not asked'], ['granted', 'granted'], ['denied', 'denied']];
let controls;
let asking = new AbortController();
let last; // {text, root, best}: what the marks in the editor belong to

/** What the switches say: {purpose: "granted" or "denied"}. */
function choice() {
  const out = {};
  for (const p of controls.purposes) {
    const picked = document.querySelector(`input[name="purpose-${CSS.escape(p.name)}"]:checked`)?.value;
    if (picked) out[p.name] = picked;
  }
  return out;
}

function buildControls() {
  const place = (r) => el('option', { value: r.code }, r.name);
  for (const [label, optIn] of [['Opt-in law', true], ['Opt-out law', false]]) {
    $('region').append(el('optgroup', { label }, ...controls.regions.filter((r) => r.opt_in === optIn).map(place)));
  }
  $('region').value = controls.regions[0].code;
  $('sample').append(...samples.map((s, i) => el('option', { value: i }, s.name)));
  $('sample').value = first;
  $('event').value = samples[first].text;
  $('purposes').append(...controls.purposes.map((p) => el('div', { class: 'purpose', role: 'group', 'aria-labelledby': `title-${p.name}` },
    el('h3', { id: `title-${p.name}` }, p.title),
    el('p', { class: 'basis' }, el('code', {}, p.name), ` · ${p.basis.replaceAll('_', ' ')}`),
    p.chooses
      ? el('div', { class: 'switch' }, ...states.map(([value, label]) => {
        const id = `purpose-${p.name}-${value || 'unasked'}`;
        return el('span', {}, el('input', { type: 'radio', name: `purpose-${p.name}`, id, value, checked: value === '' }),
          el('label', { for: id }, label));
      }))
      : el('p', { class: 'fixed' }, 'nothing to choose'),
    el('p', { class: 'verdict', 'data-verdict': p.name }))));
}

/** What a signal did, for people. */
function signalWords(h) {
  const words = {
    not_mapped: 'is mapped to nothing here', no_signal: 'is no signal', heard: 'was heard', opt_out: 'is a universal opt-out',
    unreadable: 'cannot be read: only contract and law hold', stand_beside: 'is read beside the other',
  };
  return [words[h.verdict], h.refused && `refuses ${h.refused.join(', ')}`, h.barred && `may not be used now for ${h.barred.join(', ')}`,
    h.reasons?.length && h.reasons.join(', ')].filter(Boolean).join('; ');
}

function showJudgement(x, text, root, answer) {
  last = { text, root, best: bestFates(x.recipients) };
  $('backdrop').replaceChildren(markInput(text, root, last.best));
  $('law').replaceChildren(...x.regimes.map((l) => el('span', {}, el('strong', {}, l.name), ` ${l.title}. `)),
    x.opt_in ? 'Consent comes first.' : 'Allowed until refused.');
  $('heard').replaceChildren(...(x.heard ?? []).map((h) => el('li', {}, el('code', {}, `${h.scheme}, ${h.place}`), ` ${signalWords(h)}`)));
  for (const p of x.purposes) {
    document.querySelector(`[data-verdict="${CSS.escape(p.name)}"]`).replaceChildren(
      el('span', { class: `mark ${p.allowed ? 'yes' : 'no'}` }, p.allowed ? '✓ allowed' : '✕ not allowed'),
      el('span', { class: 'reason' }, p.why), el('span', { class: 'quiet' }, p.law.join('; ')));
  }
  const tree = parse(answer);
  const outputs = member(tree, 'recipients').items.map((r) => member(r, 'output'));
  $('recipients').replaceChildren(...x.recipients.map((r, i) => recipientPane(
    { ...r, gateLine: x.event.line }, answer, r.output === null ? null : outputs[i])));
  $('fields').replaceChildren(...fieldTable(x.recipients));
  const gone = [...last.best.values()].filter((f) => f !== 'kept' && f !== 'reduced').length;
  $('status').replaceChildren('For ', el('em', {}, x.event.purposes.join(', ')), ` · ${last.best.size - gone} of ${last.best.size} fields reach somebody`);
}

function showCommands(text, root) {
  const quote = (s) => `'${s.replaceAll("'", "'\\''")}'`;
  const cookie = $('cookie').value && ` -b ${quote($('cookie').value)}`;
  const post = (path, body, signal) => [`curl -b jar -c jar${cookie} ${location.origin}${path}`, "-H 'content-type: application/json'",
    ...(signal ? ["-H 'Sec-GPC: 1'"] : []), `-d ${quote(body)}`].join(' \\\n  ');
  const chosen = choice();
  const event = compact(text, root);
  const options = [
    $('region').value && `--region ${$('region').value}`,
    Object.keys(chosen).length && `--consent ${Object.entries(chosen).map((e) => e.join('=')).join(',')}`,
    $('gpc').checked && "--header 'Sec-GPC: 1'",
    $('cookie').value && `--header ${quote(`Cookie: ${$('cookie').value}`)}`,
  ].filter(Boolean).join(' ');
  $('curl').textContent = [
    ...(Object.keys(chosen).length ? [post('/v1/consent', JSON.stringify({ purposes: chosen }))] : []),
    post('/v1/events', event, $('gpc').checked),
    `\n# the judgement above, and why\nprintf '%s' ${quote(event)} > event.json\nassent explain -e event.json ${options}`,
  ].join('\n');
}

/** Marks everything on show as not matching what is typed. */
function stale(message) {
  $('status').replaceChildren(el('span', { class: 'error' }, message));
  $('backdrop').replaceChildren(`${$('event').value}\n`);
  document.body.classList.add('stale');
}

async function judge() {
  asking.abort();
  asking = new AbortController();
  const text = $('event').value;
  try {
    const root = parse(text);
    showCommands(text, root);
    const rest = JSON.stringify({ region: $('region').value, consent: choice(), gpc: $('gpc').checked, cookie: $('cookie').value });
    const response = await fetch('/demo/explain', {
      method: 'POST', headers: { 'content-type': 'application/json' }, signal: asking.signal,
      body: `{"event":${text},${rest.slice(1)}`,
    });
    const answer = await response.text();
    const x = JSON.parse(answer);
    if (x.error) throw new Error(x.error);
    showJudgement(x, text, root, answer);
    document.body.classList.remove('stale');
  } catch (e) {
    if (e.name !== 'AbortError') stale(e.message);
  }
}

let timer;
function judgeSoon() {
  clearTimeout(timer);
  timer = setTimeout(judge, 150);
}

/** Lights a field wherever it is shown. */
function light(path) {
  for (const e of document.querySelectorAll('.lit')) e.classList.remove('lit');
  if (path === undefined) return;
  for (const e of document.querySelectorAll(`[data-path="${CSS.escape(path)}"]`)) e.classList.add('lit');
}

async function exchange(method, path, body) {
  const row = el('div', { class: 'answer' }, el('p', {}, el('code', {}, `${method} ${path}`)));
  $('answers').append(row);
  try {
    const response = await fetch(path, { method, body, headers: body && { 'content-type': 'application/json' } });
    const text = await response.text();
    let answer;
    try { answer = JSON.parse(text); } catch { /* shown as it came */ }
    row.firstChild.append(' ', el('span', { class: `badge ${response.ok ? 'kept' : 'removed'}` }, response.status));
    row.append(el('pre', { class: 'code', tabindex: 0, 'aria-label': `Answer of ${path}` }, answer ? JSON.stringify(answer, null, 2) : text));
    return response.ok ? answer : undefined;
  } catch (e) {
    row.append(el('p', { class: 'error' }, e.message));
    return undefined;
  }
}

async function send() {
  $('send').disabled = true;
  $('answers').replaceChildren();
  const chosen = choice();
  for (const pair of $('cookie').value.split(';')) if (pair.includes('=')) document.cookie = `${pair.trim()}; path=/; max-age=600; samesite=lax`;
  const state = Object.keys(chosen).length
    ? await exchange('POST', '/v1/consent', JSON.stringify({ purposes: chosen }))
    : await exchange('GET', '/v1/consent');
  const result = await exchange('POST', '/v1/events', $('event').value);
  if (state?.regimes && result) {
    $('answers').prepend(el('p', {}, `Judged at: ${state.jurisdiction}, under ${state.regimes.join(', ')}. `,
      result.withheld ? 'Withheld from every recipient: nothing was written.' : result.accepted ? 'Accepted: durable before this answer came.' : 'Refused.'));
  }
  $('send').disabled = false;
}

async function copy() {
  try {
    await navigator.clipboard.writeText($('curl').textContent);
    $('copy').textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren($('curl'));
    $('copy').textContent = 'Selected';
  }
  setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500);
}

function listen() {
  $('event').addEventListener('input', () => {
    last = undefined;
    $('backdrop').replaceChildren(`${$('event').value}\n`);
    judgeSoon();
  });
  for (const id of ['region', 'gpc', 'cookie', 'purposes']) $(id).addEventListener('change', judgeSoon);
  $('sample').addEventListener('change', () => {
    $('event').value = samples[$('sample').value].text;
    judge();
  });
  for (const button of document.querySelectorAll('[data-all]')) {
    button.addEventListener('click', () => {
      for (const radio of document.querySelectorAll('#purposes input')) radio.checked = radio.value === button.dataset.all;
      judge();
    });
  }
  for (const kind of ['pointerover', 'focusin']) {
    document.addEventListener(kind, (e) => light(e.target.closest?.('[data-path]')?.dataset.path));
  }
  // The marks lie under the text: the caret says which field is meant.
  document.addEventListener('selectionchange', () => {
    if (document.activeElement !== $('event') || !last) return;
    const at = $('event').selectionStart;
    let from = 0;
    for (const node of $('backdrop').childNodes) {
      from += node.textContent.length;
      if (at < from) { light(node.dataset?.path); return; }
    }
  });
  document.addEventListener('click', (e) => {
    if (e.target.closest('a.line')) $('policy').open = true;
  });
  $('send').addEventListener('click', send);
  $('copy').addEventListener('click', copy);
}

async function start() {
  const [json, yaml] = await Promise.all(['/demo/policy.json', '/demo/policy.yaml'].map((u) => fetch(u)));
  controls = await json.json();
  buildControls();
  listen();
  $('lines').append(...policyLines(await yaml.text()));
  await judge();
}

start().catch((e) => stale(e.message));
