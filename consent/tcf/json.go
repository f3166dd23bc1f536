package tcf

import (
	"slices"
	"strconv"
)

// AppendJSON appends what the string says, as docs/signals.md describes.
func (s *String) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"version":2`...)
	dst = number(dst, "created_ds", s.Created)
	dst = number(dst, "last_updated_ds", s.LastUpdated)
	dst = number(dst, "cmp_id", int64(s.CMPID))
	dst = number(dst, "cmp_version", int64(s.CMPVersion))
	dst = number(dst, "consent_screen", int64(s.ConsentScreen))
	dst = append(append(append(dst, `,"consent_language":"`...), s.ConsentLanguage[:]...), '"')
	dst = number(dst, "vendor_list_version", int64(s.VendorListVersion))
	dst = number(dst, "policy_version", int64(s.PolicyVersion))
	dst = flag(dst, "is_service_specific", s.ServiceSpecific)
	dst = flag(dst, "use_non_standard_texts", s.NonStandardTexts)
	dst = ids(dst, `,"special_feature_optins":`, s.SpecialFeatures)
	dst = ids(dst, `,"purpose_consents":`, s.Consents)
	dst = ids(dst, `,"purpose_li":`, s.LI)
	dst = flag(dst, "purpose_one_treatment", s.PurposeOneTreatment)
	dst = append(append(append(dst, `,"publisher_cc":"`...), s.PublisherCC[:]...), '"')
	dst = s.VendorConsents.AppendJSON(append(dst, `,"vendor_consents":`...))
	dst = s.VendorLI.AppendJSON(append(dst, `,"vendor_li":`...))
	dst = append(dst, `,"disclosed_vendors":`...)
	if s.HasDisclosed {
		dst = s.Disclosed.AppendJSON(dst)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, `,"restrictions":[`...)
	s.EachRestriction(func(purpose int, kind Restriction, vendors Vendors) {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"purpose":`...), int64(purpose), 10)
		dst = number(dst, "type", int64(kind))
		dst = append(vendors.AppendJSON(append(dst, `,"vendors":`...)), '}')
	})
	dst = append(dst, `],"publisher_tc":`...)
	if p := &s.Publisher; s.HasPublisher {
		dst = ids(dst, `{"consents":`, p.Consents)
		dst = ids(dst, `,"li":`, p.LI)
		dst = number(dst, "num_custom_purposes", int64(p.Custom))
		dst = ids(dst, `,"custom_consents":`, p.CustomConsents)
		dst = append(ids(dst, `,"custom_li":`, p.CustomLI), '}')
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

func number(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(append(append(dst, `,"`...), name...), `":`...), n, 10)
}

func flag(dst []byte, name string, v bool) []byte {
	return strconv.AppendBool(append(append(append(dst, `,"`...), name...), `":`...), v)
}

func ids(dst []byte, name string, s Set) []byte {
	dst = append(append(dst, name...), '[')
	for id := 1; id <= 64; id++ {
		if s.Has(id) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = strconv.AppendInt(dst, int64(id), 10)
		}
	}
	return append(dst, ']')
}

// AppendJSON appends the set as inclusive pairs of start and end, in ascending order, none
// next to another.
func (v *Vendors) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	var space [64][2]int
	list := space[:0]
	v.Each(func(start, end int) { list = append(list, [2]int{start, end}) })
	if v.ranges > 0 {
		slices.SortFunc(list, func(a, b [2]int) int { return a[0] - b[0] })
	}
	for i := 0; i < len(list); {
		start, end := list[i][0], list[i][1]
		for i++; i < len(list) && list[i][0] <= end+1; i++ {
			end = max(end, list[i][1])
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, '['), int64(start), 10)
		dst = append(strconv.AppendInt(append(dst, ','), int64(end), 10), ']')
	}
	return append(dst, ']')
}
