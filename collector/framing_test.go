package collector_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// TestFraming: a request whose end two readers could see in different places is
// refused and its connection closed, so that what follows is nobody's request
// (request smuggling). The plain forms beside them are taken.
func TestFraming(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink)
	event := order("x")
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(event), event)
	length := fmt.Sprintf("Content-Length: %d\r\n", len(event))
	const coded, host = "Transfer-Encoding: chunked\r\n", "Host: a\r\n"
	start := func(head string) string { return "POST /v1/events HTTP/1.1\r\n" + head + "\r\n" }
	// answers sends a request and one that follows, and returns both answers' text.
	answers := func(raw string) string {
		conn := s.dial()
		_, _ = io.WriteString(conn, raw+post("/v1/events", order("smuggled")))
		_ = conn.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(conn)
		return string(got)
	}
	for name, raw := range map[string]string{
		"length beside coding":          start(host+length+coded) + chunks,
		"coding beside length":          start(host+coded+length) + chunks,
		"both, and neither is needed":   strings.Replace(start(host+coded+length), "POST /v1/events", "GET /v1/consent", 1) + chunks,
		"both, asked first":             start(host+"Expect: 100-continue\r\n"+coded+length) + chunks,
		"two lengths":                   start(host+length+"Content-Length: 3\r\n") + event,
		"two lengths that agree":        start(host+length+length) + event,
		"a list of lengths":             start(host+"Content-Length: 3, 3\r\n") + event,
		"a length with a sign":          start(host+"Content-Length: +3\r\n") + event,
		"a length below zero":           start(host+"Content-Length: -1\r\n") + chunks,
		"no length in it":               start(host + "Content-Length: \r\n"),
		"a length beyond numbers":       start(host + "Content-Length: 99999999999999999999999\r\n"),
		"identity":                      start(host + "Transfer-Encoding: identity\r\n"),
		"identity beside length":        start(host+"Transfer-Encoding: identity\r\n"+length) + event,
		"another coding":                start(host+"Transfer-Encoding: gzip\r\n") + chunks,
		"chunked last":                  start(host+"Transfer-Encoding: gzip, chunked\r\n") + chunks,
		"chunked not last":              start(host+"Transfer-Encoding: chunked, identity\r\n") + chunks,
		"chunked twice":                 start(host+"Transfer-Encoding: chunked, chunked\r\n") + chunks,
		"two codings":                   start(host+coded+coded) + chunks,
		"no coding in it":               start(host+"Transfer-Encoding:\r\n") + chunks,
		"a coding behind a control":     start(host+"Transfer-Encoding: \x0bchunked\r\n") + chunks,
		"a coding on a folded line":     start(host+"Transfer-Encoding:\r\n chunked\r\n") + chunks,
		"a coding in HTTP/1.0":          strings.Replace(start(host+coded), "1.1", "1.0", 1) + chunks,
		"another version":               strings.Replace(start(host+length), "1.1", "2.0", 1) + event,
		"a folded line":                 start(host+"X-A: b\r\n c\r\n"+length) + event,
		"a length on a folded line":     start(host+"X-A: b\r\n "+length) + event,
		"a fold at the top":             start(" "+host+length) + event,
		"a space before the colon":      start(host+"Content-Length : 3\r\n") + event,
		"a tab before the colon":        start(host+"Transfer-Encoding\t: chunked\r\n") + chunks,
		"a space in a name":             start(host+"Content Length: 3\r\n"+length) + event,
		"no colon":                      start(host+"foo\r\n"+length) + event,
		"no name":                       start(host+": foo\r\n"+length) + event,
		"a line that ends with LF":      start("Host: a\n"+length) + event,
		"lines that end with LF":        strings.ReplaceAll(start(host+length), "\r\n", "\n") + event,
		"a head that ends with LF":      strings.TrimSuffix(start(host+length), "\r\n") + "\n" + event,
		"a CR in a value":               start(host+"X-A: b\rContent-Length: 3\r\n"+length) + event,
		"a NUL in a value":              start(host+"X-A: b\x00\r\n"+length) + event,
		"two hosts":                     start(host+host+length) + event,
		"no host":                       start(length) + event,
		"a chunk's size with a sign":    start(host+coded) + "+" + chunks,
		"a chunk's size with a prefix":  start(host+coded) + "0x" + chunks,
		"chunks that end with LF":       start(host+coded) + strings.ReplaceAll(chunks, "\r\n", "\n"),
		"a chunk that does not end":     start(host+coded) + strings.Replace(chunks, "\r\n0\r\n", "xx0\r\n", 1),
		"a chunk's size beyond numbers": start(host+coded) + "ffffffffffffffffffff\r\n",
		"a length behind the chunks":    start(host+coded) + strings.TrimSuffix(chunks, "\r\n") + "Content-Length: 4\r\n\r\n",
	} {
		got := answers(raw)
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 400 ") || !strings.Contains(body, `"urn:assent:problem:body_unreadable"`) {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.Contains(head, "\r\nConnection: close") || strings.Count(got, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: the connection is not closed: %s", name, got)
		}
	}
	if stored := sink.take(); len(stored) != 0 {
		t.Errorf("stored %q", stored)
	}
	for name, raw := range map[string]string{
		"length":                start(host+length) + event,
		"chunks":                start(host+coded) + chunks,
		"chunks, in capitals":   start(host+"TRANSFER-ENCODING:\tCHUNKED\t\r\n") + chunks,
		"chunks with a trailer": start(host+coded) + strings.TrimSuffix(chunks, "\r\n") + "X-T: a\r\n\r\n",
		"names that look alike": start(host+length+"X-Content-Length: 3\r\nTransfer_Encoding: gzip\r\n") + event,
	} {
		if got := answers(raw); strings.Count(got, "HTTP/1.1 200 OK") != 2 {
			t.Errorf("%s: %s", name, got)
		}
	}
}
