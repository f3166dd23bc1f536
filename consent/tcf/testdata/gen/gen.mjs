// Writes strings with two npm libraries, from a seed, and prints each with what the newer
// one reads out of it, in the shape of docs/signals.md.
import * as fresh from '@iabtechlabtcf/core';
import * as old from '@iabtcf/core';

let seed = 20261128;
const random = n => { // xorshift32
  seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5;
  return (seed >>> 0) % n;
};
const some = (most, share) => {
  const out = [];
  for (let i = 1; i <= most; i++) if (random(100) < share) out.push(i);
  return out;
};
const vendors = () => {
  const shape = random(4);
  if (shape === 0) return [];
  if (shape === 1) return some(40, 50);                    // a field of bits
  if (shape === 2) return some(1200, 3);                   // ranges, many of one
  const out = [];                                          // long ranges
  for (let at = random(50) + 1; at < 1500; at += random(400) + 60) for (let i = 0; i < 50; i++) out.push(at + i);
  return out;
};
const DAY = 24 * 3600 * 1000;

function model(lib, strict) {
  const m = new lib.TCModel();
  m.cmpId = random(400) + 2; m.cmpVersion = random(100) + 1; m.consentScreen = random(63);
  m.consentLanguage = ['EN', 'FR', 'DE', 'PL'][random(4)]; m.vendorListVersion_ = random(300) + 1;
  m.policyVersion = strict ? 5 : [2, 3, 4, 4, 5, 6][random(6)];
  m.isServiceSpecific = strict || random(8) > 0; m.useNonStandardTexts = random(2) === 0;
  m.purposeOneTreatment = random(2) === 0; m.publisherCountryCode = ['AA', 'FR', 'DE', 'ZZ'][random(4)];
  m.specialFeatureOptins.set(some(2, 50)); m.purposeConsents.set(some(11, 60)); m.purposeLegitimateInterests.set(some(11, 40));
  m.vendorConsents.set(vendors()); m.vendorLegitimateInterests.set(vendors());
  if (random(3) > 0) m.vendorsDisclosed.set([...vendors(), 7]);
  if (random(2) === 0) {
    m.publisherConsents.set(some(11, 50)); m.publisherLegitimateInterests.set(some(11, 30));
    m.numCustomPurposes = random(9);
    m.publisherCustomConsents.set(some(m.numCustomPurposes, 50)); m.publisherCustomLegitimateInterests.set(some(m.numCustomPurposes, 50));
  }
  m.publisherRestrictions.gvl_ = { vendorIds: new Set(Array.from({ length: 60 }, (_, i) => i + 1)) }; // its encoder asks
  for (let i = random(4); i > 0; i--) {
    const r = new lib.PurposeRestriction(random(10) + 2, random(3));
    for (const v of some(60, 20)) m.publisherRestrictions.add(v, r);
  }
  const at = new Date(Date.UTC(2024, 0, 1) + random(1060) * DAY);
  m.created = at; m.lastUpdated = at;
  return m;
}

function text(lib, strict) {
  const m = model(lib, strict);
  const gvl = { vendorListVersion: m.vendorListVersion_, policyVersion: m.policyVersion };
  const core = lib.SegmentEncoder, kinds = ['core'];
  m.vendorListVersion = gvl.vendorListVersion;
  if ([...m.vendorsDisclosed].some(([, on]) => on)) kinds.push('vendorsDisclosed');
  if (m.numCustomPurposes > 0 || [...m.publisherConsents].some(([, on]) => on)) kinds.push('publisherTC');
  return kinds.map(k => core.encode(m, k)).join('.');
}

const on = v => { const out = []; v.forEach((yes, id) => { if (yes) out.push(id); }); return out.sort((a, b) => a - b); };
const pairs = list => {
  const out = [];
  for (const id of list) {
    const last = out[out.length - 1];
    if (last && last[1] === id - 1) last[1] = id; else out.push([id, id]);
  }
  return out;
};

function shape(s) {
  const m = fresh.TCString.decode(s), types = s.split('.').slice(1).map(p => 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'.indexOf(p[0]) >> 3);
  const restrictions = [];
  m.publisherRestrictions.getRestrictions().forEach(r => {
    restrictions.push({ purpose: r.purposeId, type: r.restrictionType, vendors: pairs(m.publisherRestrictions.getVendors(r).slice().sort((a, b) => a - b)) });
  });
  restrictions.sort((a, b) => a.purpose - b.purpose || a.type - b.type);
  return {
    version: m.version, created_ds: m.created.getTime() / 100, last_updated_ds: m.lastUpdated.getTime() / 100, cmp_id: m.cmpId, cmp_version: m.cmpVersion,
    consent_screen: m.consentScreen, consent_language: m.consentLanguage, vendor_list_version: m.vendorListVersion, policy_version: m.policyVersion,
    is_service_specific: m.isServiceSpecific, use_non_standard_texts: m.useNonStandardTexts, special_feature_optins: on(m.specialFeatureOptins),
    purpose_consents: on(m.purposeConsents), purpose_li: on(m.purposeLegitimateInterests), purpose_one_treatment: m.purposeOneTreatment, publisher_cc: m.publisherCountryCode,
    vendor_consents: pairs(on(m.vendorConsents)), vendor_li: pairs(on(m.vendorLegitimateInterests)),
    disclosed_vendors: types.includes(1) ? pairs(on(m.vendorsDisclosed)) : null, restrictions,
    publisher_tc: types.includes(3) ? {
      consents: on(m.publisherConsents), li: on(m.publisherLegitimateInterests), num_custom_purposes: m.numCustomPurposes,
      custom_consents: on(m.publisherCustomConsents), custom_li: on(m.publisherCustomLegitimateInterests),
    } : null,
  };
}

for (let i = 0; i < 300; i++) {
  const s = text(i % 3 === 0 ? old : fresh, i % 2 === 0);
  console.log(JSON.stringify({ string: s, tcf: shape(s) }));
}
