// Lets consent managers write their cookies and read them back: a line of JSON for each,
// {package, kind, value, lists: {list: {word: granted}}, made, chosen}.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { JSDOM } from 'jsdom';

const require = createRequire(import.meta.url);
const start = Date.UTC(2026, 1, 28, 12, 0, 0);
let clock = start;
class FixedDate extends Date {
  constructor(...args) { args.length ? super(...args) : super(clock); }
  static now() { return clock; }
}
let state = 1;
globalThis.Date = FixedDate;
const random = (n) => { state = (Math.imul(state, 1103515245) + 12345) >>> 0; return (state >>> 8) % n; };
const some = (list) => list.filter(() => random(2));

// page is a fresh window with a package's code in it, whose clock and chance are ours.
function page(code) {
  const { window } = new JSDOM('<!doctype html><html lang="en"><body><script src="/t.js"></script></body></html>', { url: 'https://shop.example/', pretendToBeVisual: true, runScripts: 'outside-only' });
  window.Date = FixedDate;
  Object.defineProperty(window, 'crypto', { value: { getRandomValues: (a) => { a[0] = random(256); return a; } } });
  if (code) window.eval(readFileSync(code, 'utf8'));
  globalThis.document = window.document;
  return window;
}
const cookie = (name) => document.cookie.split('; ').find((c) => c.startsWith(name + '='))?.slice(name.length + 1);
const map = (granted, denied = []) => Object.fromEntries([...granted.map((w) => [w, 'granted']), ...denied.map((w) => [w, 'denied'])]);
const put = (v) => process.stdout.write(JSON.stringify(v) + '\n');

async function vanilla() {
  for (let i = 0; i < 24; i++) {
    const { CookieConsent: cc } = page(require.resolve('vanilla-cookieconsent'));
    clock = start + i * 3600e3;
    const names = ['necessary', 'analytics', 'ads', 'Größe & "Maß"', 'a,b:c=1'].slice(0, 2 + random(4));
    const categories = Object.fromEntries(names.map((n) => [n, {
      readOnly: n === 'necessary',
      services: n === 'analytics' ? { 'Google Analytics': {}, matomo: {} } : {},
    }]));
    await cc.run({ categories, revision: random(3), autoShow: false, language: { default: 'en', translations: { en: { consentModal: {}, preferencesModal: { sections: [] } } } } });
    cc.acceptCategory(some(names));
    if (random(2)) { clock += 60e3; cc.acceptCategory(some(names)); }
    if (cc.acceptedCategory('analytics') && random(2)) cc.acceptService(['matomo'], 'analytics');
    const said = cc.getUserPreferences();
    put({ package: 'vanilla-cookieconsent@3.1.0', kind: 'cookieconsent', value: cookie('cc_cookie'),
      lists: { categories: map(said.acceptedCategories), services: map(Object.values(said.acceptedServices).flat()) },
      made: Date.parse(cc.getCookie('lastConsentTimestamp')), chosen: cc.validConsent() });
  }
}

async function c15t() {
  const c = await import('c15t');
  for (let i = 0; i < 12; i++) {
    const window = page();
    Object.assign(globalThis, { window, localStorage: window.localStorage });
    clock = start + i * 1000;
    const consents = Object.fromEntries(c.allConsentNames.map((n) => [n, n === 'necessary' || !!random(2)]));
    const info = i === 11 ? undefined : { time: clock, subjectId: 'sub_' + i };
    c.saveConsentToStorage({ consents, consentInfo: info });
    const back = c.getConsentFromStorage();
    put({ package: 'c15t@2.2.1', kind: 'c15t', value: cookie('c15t'),
      lists: { consents: map(Object.keys(back.consents).filter((n) => back.consents[n])) },
      made: back.consentInfo?.time ?? 0, chosen: !!back.consentInfo });
  }
}

function klaro() {
  for (let i = 0; i < 12; i++) {
    const window = page(require.resolve('klaro/dist/klaro-no-css.js'));
    const services = ['matomo', 'google-analytics', 'a "quoted" one', 'Ünïcode', 'x=y;z'].map((name) => ({ name, purposes: ['p'] }));
    const manager = window.klaro.getManager({ services, translations: {} });
    for (const s of services) manager.updateConsent(s.name, !!random(2));
    manager.saveAndApplyConsents();
    put({ package: 'klaro@0.7.22', kind: 'klaro', value: cookie('klaro'),
      lists: { services: Object.fromEntries(services.map((s) => [s.name, manager.getConsent(s.name) ? 'granted' : 'denied'])) },
      made: 0, chosen: true });
  }
}

function tarteaucitron() {
  for (let i = 0; i < 12; i++) {
    const { tarteaucitron: t } = page(require.resolve('tarteaucitronjs/tarteaucitron.js'));
    t.parameters = { cookieName: 'tarteaucitron' };
    const said = {};
    for (const s of ['gtag', 'facebook', 'youtube', 'gtag']) {
      const status = ['wait', 'true', 'false'][random(3)];
      t.cookie.create(s, status);
      said[s] = { wait: 'unset', true: 'granted', false: 'denied' }[status];
    }
    put({ package: 'tarteaucitronjs@1.34.0', kind: 'tarteaucitron', value: cookie('tarteaucitron'), lists: { services: said },
      made: 0, chosen: Object.values(said).some((s) => s !== 'unset') });
  }
}

await vanilla();
await c15t();
klaro();
tarteaucitron();
process.exit(0);
