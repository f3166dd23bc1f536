package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"assent/sinks"
	"assent/test/load/rig"
)

// record is one of the pool: what the pipeline makes of the 1 kB event.
type record struct {
	key, value []byte
	headers    []sinks.Header
}

// pool makes 4,096 different records, the same in every process: keys of 1,000
// visitors, values of the tables' event whose ids, amounts, names and browsers vary.
func pool() []record {
	chance := rand.New(rand.NewPCG(7, 2026))
	front, back, err := rig.Event("run-")
	if err != nil {
		panic(err)
	}
	out := make([]record, 4096)
	for i := range out {
		visitor := fmt.Sprintf("%08x-8f1e-4c52-9f57-%012x", 0x6f2b1c1e+uint32(i%1000)*2654435761, i%1000)
		pick := func(from ...string) string { return from[chance.IntN(len(from))] }
		tail := strings.NewReplacer(
			"6f2b1c1e-8f1e-4c52-9f57-2f7d0a4b9a11", visitor,
			"X11; Linux x86_64", pick("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "Linux; Android 15; Pixel 9"),
			"Chrome/141.0.0.0", fmt.Sprintf("Chrome/%d.0.0.0", 120+chance.IntN(24)),
			"de-DE", pick("de-DE", "fr-FR", "pl-PL", "en-GB", "es-ES"), "Europe/Berlin", pick("Europe/Berlin", "Europe/Paris", "Europe/Warsaw"),
			"4711", fmt.Sprint(1000+chance.IntN(9000)), "129.95", fmt.Sprintf("%d.%02d", chance.IntN(500), chance.IntN(100)),
			"c-98121", fmt.Sprintf("c-%d", 10000+chance.IntN(90000)),
			"Trail Shoe", pick("Trail Shoe", "Rain Jacket", "Wool Sock", "Alpine Boot", "Head Torch")+fmt.Sprintf(" %x", chance.Uint32()),
			"Gämse", pick("Gämse", "Żubr", "Isard", "Écureuil"), "54.123Z", fmt.Sprintf("%02d.%03dZ", chance.IntN(60), chance.IntN(1000)),
		).Replace(back)
		id := fmt.Sprintf("%016x%016x", chance.Uint64(), chance.Uint64())
		out[i] = record{key: []byte(visitor), value: []byte(front + id[:12] + tail)}
		for _, h := range [][2]string{
			{"ce_specversion", "1.0"},
			{"ce_id", "run-" + id[:12]},
			{"ce_source", "urn:assent:source:web"},
			{"ce_type", "assent.track"},
			{"ce_time", fmt.Sprintf("2026-11-22T07:%02d:%02d.%03dZ", chance.IntN(60), chance.IntN(60), chance.IntN(1000))},
			{"ce_dataschema", "urn:assent:event:1"},
			{"content-type", "application/json"},
			{"privacy-jurisdiction", "FR"},
			{"privacy-regime", "GDPR"},
			{"privacy-purposes", "analytics,necessary,preferences,security"},
			{"privacy-policy", "default@2026-11-22"},
			{"privacy-policy-hash", "7a8bff79286ecc58208152e63fbcf45931d4e629"},
			{"privacy-receipt", id[:8] + "-5494-78e5-87a6-" + id[20:]},
			{"privacy-removed", "4"},
			{"privacy-expires", "2027-05-23T09:16:55.318Z"},
		} {
			out[i].headers = append(out[i].headers, sinks.Header{Key: h[0], Value: []byte(h[1])})
		}
	}
	return out
}

// recordSize is the mean size of the records' parts.
func recordSize(records []record) int {
	sum := 0
	for _, r := range records {
		sum += len(sinks.AppendBody(nil, &sinks.Record{Key: r.key, Value: r.value, Headers: r.headers}))
	}
	return sum / len(records)
}
