package collector

import "bytes"

// fetchers are the user agents by which mail providers fetch the images in their
// users' mail. Address and user agent of such a request are the provider's, and say
// nothing of the reader: where they are, or what they read with.
//
// Whoever sends one of these names is judged by the strictest law, and offers less
// than anybody else: there is nothing to gain by forging one.
var fetchers = []struct {
	provider, source string // source: where the name is told
	match            func(userAgent, name []byte) bool
	name             []byte
}{
	{"Gmail", "https://darkvisitors.com/agents/googleimageproxy", bytes.Contains, []byte("GoogleImageProxy")},
	{"Yahoo Mail, AOL", "https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", bytes.Contains, []byte("YahooMailProxy")},
	// Mail Privacy Protection sends this and nothing after it; browsers always do.
	{"Apple Mail", "https://bird.com/en-nl/blog/4-insights-on-ios-15-mail-privacy-protection", bytes.Equal, []byte("Mozilla/5.0")},
	{"Fastmail", "https://www.fastmail.com/policies/bots", bytes.Contains, []byte("FastmailUA")},
	{"HEY", "https://www.hey.com/image-proxy", bytes.HasPrefix, []byte("hey.com/imageproxy")},
}

// isFetcher reports whether a mail provider fetches an image for one of its users.
// Images are fetched by GET.
func isFetcher(method, userAgent []byte) bool {
	if string(method) != "GET" {
		return false
	}
	for i := range fetchers {
		if f := &fetchers[i]; f.match(userAgent, f.name) {
			return true
		}
	}
	return false
}
