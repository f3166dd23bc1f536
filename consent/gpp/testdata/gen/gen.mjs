// Writes GPP strings and what @iabgpp/cmpapi decodes of them.
// node gen.mjs CANADA FOLDER QUESTIONS ANSWERS
import fs from 'node:fs';
import { createRequire } from 'node:module';

const { GppModel, ...lib } = createRequire(import.meta.url)('@iabgpp/cmpapi');
const [canada, folder, questions, answers] = process.argv.slice(2);

// The same numbers in each run: mulberry32.
let state = 12;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const times = (n, f) => Array.from({ length: n }, (_, i) => f(i));

const states = ['usnat', 'usca', 'usva', 'usco', 'usut', 'usct', 'usfl', 'usmt', 'usor', 'ustx', 'usde', 'usia', 'usne', 'usnh',
  'usnj', 'ustn', 'usmn', 'usmd', 'usin', 'usky', 'usri'];

const us = (name) => (m) => {
  m.setFieldValue(name, /us(md|in|ky|ri)/.test(name) ? 'MspaVersion' : 'Version', name === 'usnat' ? 2 : 1);
  fill(m, name);
};

// fill sets every field of two bits, and sometimes leaves the second sub-section out.
function fill(m, name) {
  for (const [field, value] of Object.entries(m.getSection(name))) {
    if (/Version$|SegmentType$/.test(field)) continue;
    const two = () => (field === 'MspaCoveredTransaction' ? 1 + below(2) : below(3));
    if (typeof value === 'boolean') m.setFieldValue(name, field, random() < 0.5);
    else m.setFieldValue(name, field, Array.isArray(value) ? value.map(two) : two());
  }
  for (const included of ['GpcSegmentIncluded', 'SensitiveDataConsentSegmentIncluded']) {
    if (has(m, name, included)) m.setFieldValue(name, included, random() < 0.7);
  }
}

// has: hasField knows only fields that are written, and this one is not.
function has(m, name, field) {
  try {
    m.getFieldValue(name, field);
    return true;
  } catch {
    return false;
  }
}

const national1 = (m) => {
  m.setFieldValue('usnat', 'Version', 1);
  fill(m, 'usnat');
};

const usp = (m) => {
  m.setFieldValue('uspv1', 'Version', 1);
  for (const field of ['Notice', 'OptOutSale', 'LspaCovered']) m.setFieldValue('uspv1', field, pick(['Y', 'N', '-']));
};

// vendors is a set in a few runs: short, long, dense or with gaps.
function vendors() {
  const out = [];
  let id = 0;
  for (let n = below(6); n > 0; n--) {
    id += 1 + below(pick([2, 30, 900]));
    for (let run = below(3) ? 1 : 1 + below(40); run > 0; run--) out.push(id++);
  }
  return out;
}

const restrictions = () => times(below(3), (i) => {
  const ids = vendors();
  return new lib.RangeEntry(1 + 3 * i + below(3), below(3), ids.length ? ids : [7]);
});

const bits = (n) => times(n, () => random() < 0.4);
const day = () => new Date(Date.UTC(2021 + below(6), below(12), 1 + below(28)));
const letters = () => pick(['EN', 'FR', 'DE', 'ES']);

const tc = (name, fields) => (m) => {
  const created = day();
  for (const [field, make] of Object.entries(fields)) m.setFieldValue(name, field, make());
  if (random() < 0.5) {
    const custom = below(5);
    m.setFieldValue(name, 'NumCustomPurposes', custom);
    for (const field of fields.PurposeConsents ? ['PublisherCustomConsents', 'PublisherCustomLegitimateInterests'] : ['CustomPurposesExpressConsent', 'CustomPurposesImpliedConsent']) m.setFieldValue(name, field, bits(custom));
  }
  m.setFieldValue(name, 'Created', created); // last: every other field sets it to now
  m.setFieldValue(name, 'LastUpdated', created);
};

const both = {
  CmpId: () => below(4096), CmpVersion: () => below(4096), ConsentScreen: () => below(64), ConsentLanguage: letters,
  VendorListVersion: () => below(4096), UseNonStandardStacks: () => random() < 0.5,
};
const ca = tc('tcfcav1', {
  ...both, TcfPolicyVersion: () => below(64), SpecialFeatureExpressConsent: () => bits(12), PurposesExpressConsent: () => bits(24),
  PurposesImpliedConsent: () => bits(24), VendorExpressConsent: vendors, VendorImpliedConsent: vendors, PubRestrictions: restrictions,
  PubPurposesExpressConsent: () => bits(24), PubPurposesImpliedConsent: () => bits(24), DisclosedVendors: vendors,
});
const eu = tc('tcfeuv2', {
  ...both, PolicyVersion: () => 2 + below(5), SpecialFeatureOptins: () => bits(12), PurposeConsents: () => bits(24),
  PurposeLegitimateInterests: () => bits(24), PurposeOneTreatment: () => random() < 0.5, PublisherCountryCode: letters,
  VendorConsents: vendors, VendorLegitimateInterests: vendors, PublisherRestrictions: restrictions,
  PublisherConsents: () => bits(24), PublisherLegitimateInterests: () => bits(24), VendorsDisclosed: vendors,
});

const strings = [];
const make = (...sections) => {
  const m = new GppModel();
  for (const section of sections) section(m);
  strings.push(m.encode());
};
for (const name of states) times(8, () => make(us(name)));
times(16, () => make(national1));
times(10, () => make(usp));
times(24, () => make(ca));
times(24, () => make(eu));
times(90, () => make(...[eu, ca, usp, ...states.map(us)].filter(() => random() < 0.3), usp));

// Version 1 in the fields of version 2, as encoders wrote it until 2024.
for (const s of strings.filter((s) => /^DBABLA~C/.test(s)).slice(0, 6)) strings.push(s.replace('~C', '~B'));

// Padded to 24 bits, as TC strings are.
for (const s of strings.slice(0, 40)) strings.push(s.replace(/[^~.]+/g, (part) => part.padEnd(4 * Math.ceil(part.length / 4), 'A')));

// Section 5 as the Java encoder writes it.
strings.push(...fs.readFileSync(canada, 'utf8').trim().split('\n'));

const value = (v) => {
  if (v instanceof Date) return v.toISOString();
  if (Array.isArray(v)) return '[' + v.map((x) => (x instanceof lib.RangeEntry ? `${x.key}:${x.type}:${value(x.ids)}` : value(x))).join(',') + ']';
  return String(v);
};
const lines = [], asked = [], said = [];
for (const gpp of strings) {
  const m = new GppModel(gpp);
  const sections = m.toObject();
  lines.push(JSON.stringify({ gpp, want: { section_ids: m.getSectionIds(), sections } }));
  for (const [section, fields] of Object.entries(sections)) {
    if (m.getSectionIds().at(Object.keys(sections).indexOf(section)) > 22) continue; // the Java library knows none of them
    for (const [field, v] of Object.entries(fields)) {
      asked.push(`${gpp} ${section} ${field}`);
      said.push(`${gpp} ${section} ${field} ${value(v)}`);
    }
  }
}
fs.writeFileSync(`${folder}/vectors.ndjson`, lines.join('\n') + '\n');
fs.writeFileSync(questions, asked.join('\n') + '\n');
fs.writeFileSync(answers, said.join('\n') + '\n');

// The widths of all fields, for a second reading of US sections in the tests.
const layouts = {};
for (const [key, Segment] of Object.entries(lib).filter(([key]) => /^Us[A-Z].*Segment$/.test(key))) {
  const segment = new Segment();
  layouts[key] = segment.getFieldNames().map((name) => {
    const v = segment.getFieldValue(name);
    return [name, segment.fields.get(name).encode().length, Array.isArray(v) ? v.length : 1];
  });
}
fs.writeFileSync(`${folder}/layouts.json`, JSON.stringify(layouts, null, 1).replace(/\n {2,}/g, ' ') + '\n');
