package rig

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// BatchSize is the number of events of a request of Batches.
const BatchSize = 100

// bodies is how many batches differ; more would only fill the cache.
const bodies = 128

// words are the names that events are made of.
var words = []string{
	"Trail", "Shoe", "Blau", "Gämse", "été", "crème brûlée", "Żółw", "naïve", "смартфон", "кеды", "スニーカー", "東京", "运动鞋",
	"경량", "حذاء", "जूता", "🥾", "👩‍👩‍👧", "O’Neill", `12\" pizza`, `back\\slash`, "Ærø", "ÅNGSTRÖM", "ñandú", "wool", "rain", "city", "alpine",
}

// batch is one body: its events one after another, with the places of their numbers.
type batch struct {
	head, body []byte
	numbers    []int
}

// Batches makes requests of a hundred events each, for a Plan, and says how long
// an event is on average. Kinds, names, sizes, nesting and scripts vary, the
// same in every run; numbers and visitors are as in Single.
func Batches(target, run string, cookies []string) (request func(dst []byte, n int) []byte, mean float64) {
	chance := rand.New(rand.NewPCG(4, 2026))
	all := make([]batch, bodies)
	total := 0
	for i := range all {
		b := &all[i]
		for k := range BatchSize {
			if k == 0 {
				b.body = append(b.body, '[')
			} else {
				b.body = append(b.body, ',')
			}
			front, back := varied(chance, run)
			b.body = append(b.body, front...)
			b.numbers = append(b.numbers, len(b.body))
			b.body = appendNumber(b.body, 0)
			b.body = append(b.body, back...)
		}
		b.body = append(b.body, ']')
		total += len(b.body)
		heads := Heads(target, len(b.body), cookies)
		b.head = []byte(heads[i%len(heads)])
	}
	return func(dst []byte, n int) []byte {
		b := &all[n%len(all)]
		dst = append(dst, b.head...)
		start := len(dst)
		dst = append(dst, b.body...)
		for k, at := range b.numbers {
			appendNumber(dst[:start+at], n*BatchSize+k)
		}
		return dst
	}, float64(total) / (bodies * BatchSize)
}

// varied makes one event, cut where its number belongs.
func varied(chance *rand.Rand, run string) (front, back string) {
	name := func(most int) string {
		var all []string
		for range 1 + chance.IntN(most) {
			all = append(all, words[chance.IntN(len(words))])
		}
		return strings.Join(all, " ")
	}
	some := func(share float64, format string, args ...any) string {
		if chance.Float64() > share {
			return ""
		}
		return fmt.Sprintf(format, args...)
	}
	number := func() int { return chance.IntN(100000) }
	var products []string
	for range 1 + chance.IntN(5) {
		products = append(products, fmt.Sprintf(`{"product_id":"p-%d","sku":"S-%d","name":"%s","price":%d.%02d,"quantity":%d,"variant":{"colour":"%s"}}`,
			number(), number(), name(4), number()/100, chance.IntN(100), 1+chance.IntN(4), name(1)))
	}
	kinds := []struct{ kind, content string }{
		{"page", fmt.Sprintf(`"name":"%s","properties":{"title":"%s","url":"https://shop.example/p/%d?utm_source=mail&token=%x","path":"/p/%d"%s}`,
			name(3), name(8), number(), number(), number(), some(0.4, `,"referrer":"https://search.example/?q=%d"`, number()))},
		{"track", fmt.Sprintf(`"event":"Product Viewed","properties":{"product_id":"%d","sku":"TS-%d","name":"%s","price":%d.95,"position":%d%s%s}`,
			number(), number(), name(5), number()/100, chance.IntN(40), some(0.5, `,"category":"%s"`, name(3)), some(0.3, `,"coupon":"%s"`, name(1)))},
		{"track", fmt.Sprintf(`"event":"Order Completed","properties":{"order_id":"A-%d","total":%d.50,"currency":"EUR","email":"anna%d@mail.example","products":[%s]}`,
			number(), number(), number(), strings.Join(products, ","))},
		{"identify", fmt.Sprintf(`"traits":{"email":"anna%d@mail.example","firstName":"%s","address":{"country":"FR","street":"%s %d"}%s}`,
			number(), name(1), name(2), number(), some(0.5, `,"birthday":"1980-05-%02d"`, 1+chance.IntN(28)))},
		{"track", fmt.Sprintf(`"event":"%s","properties":{"label":"%s","rating":%d%s}`,
			name(3), name(12), chance.IntN(6), some(0.6, `,"detail":{"a":[1,2,{"b":"%s"}],"c":{"d":null,"e":%d.5e3}}`, name(6), number()))},
	}
	k := kinds[chance.IntN(len(kinds))]
	front = fmt.Sprintf(`{"type":"%s","messageId":"%s`, k.kind, run)
	back = fmt.Sprintf(`","anonymousId":"a-%d","timestamp":"2026-11-22T07:%02d:%02d.123Z","context":{"locale":"fr-FR"%s%s},%s}`,
		number(), chance.IntN(60), chance.IntN(60),
		some(0.5, `,"page":{"url":"https://shop.example/%d","title":"%s"}`, number(), name(6)),
		some(0.5, `,"library":{"name":"analytics.js","version":"2.%d.0"}`, chance.IntN(30)), k.content)
	return front, back
}
