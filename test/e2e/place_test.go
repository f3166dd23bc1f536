package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPlaceBehindNetworks: what a network that ends the reader's connection says of
// their place, and what a mail provider's own request does not, in serve and explain.
func TestPlaceBehindNetworks(t *testing.T) {
	t.Parallel()
	config := filepath.Join(t.TempDir(), "assent.yaml")
	trust := "trust: {networks: [127.0.0.0/8], country_header: CloudFront-Viewer-Country, region_header: CloudFront-Viewer-Country-Region}\n"
	if err := os.WriteFile(config, []byte(trust), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-c", config)
	const (
		gmail  = "User-Agent: Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
		apple  = "User-Agent: Mozilla/5.0 "
		reader = "User-Agent: Mozilla/5.0 (Macintosh)"
	)
	f := func(image bool, want string, headers ...string) {
		t.Helper()
		before := len(p.records("events"))
		if image {
			p.send("GET", "/v1/pixel.gif?type=track&event=Order+Completed&properties.order_id=o", "", headers...)
		} else {
			p.send("POST", "/v1/events", order(fmt.Sprintf("m-%d", before)), headers...)
		}
		got := p.records("events")[before:]
		if len(got) != 1 || got[0].Headers["privacy-jurisdiction"]+" "+got[0].Headers["privacy-regime"] != want {
			t.Errorf("%q: %v, want one record of %s", headers, got, want)
		}
		said := []string{"explain", "-c", config, "-e", "-", "--json"}
		for _, h := range headers {
			if name, value, _ := strings.Cut(h, ": "); name == "X-Forwarded-For" {
				said = append(said, "--ip", value)
			} else {
				said = append(said, "--header", h)
			}
		}
		if image {
			said = append(said, "--image")
		}
		var x struct {
			Jurisdiction string
			Regimes      []struct{ Name string }
		}
		out := assent(t, order("m"), said...)
		if err := json.Unmarshal([]byte(out.stdout), &x); err != nil {
			t.Fatalf("%v: %s %s", err, out.stdout, out.stderr)
		}
		var laws []string
		for _, l := range x.Regimes {
			laws = append(laws, l.Name)
		}
		slices.Sort(laws)
		if explained := x.Jurisdiction + " " + strings.Join(laws, ","); explained != want {
			t.Errorf("%q: explained as %s, want %s", headers, explained, want)
		}
	}
	f(false, "FR GDPR", inFrance)
	f(false, "FR GDPR", inFrance, "CloudFront-Viewer-Country: FR")
	f(false, "FR GDPR", "cloudfront-viewer-country: fr")
	f(false, "US-CA CCPA", inUSA, "CloudFront-Viewer-Country: US", "CloudFront-Viewer-Country-Region: CA")
	f(false, "US CCPA,GDPR,US-STATES", inUSA, "CloudFront-Viewer-Country: FR")
	f(false, "unknown STRICTEST", inFrance, "CloudFront-Viewer-Country: ZZ")
	f(false, "unknown STRICTEST", inFrance, "CloudFront-Viewer-Country: FR", "CloudFront-Viewer-Country: US")
	f(true, "US CCPA,US-STATES", inUSA, reader)
	f(true, "unknown STRICTEST", inUSA, gmail)
	f(true, "unknown STRICTEST", inUSA, gmail, "CloudFront-Viewer-Country: US")
	f(true, "unknown STRICTEST", inUSA, apple)
	f(false, "US CCPA,US-STATES", inUSA, gmail)
	p.stop()
}
