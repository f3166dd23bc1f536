package admin

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard asks for the token when there is one. A browser page on another site
// can reach loopback: its requests say so (Fetch Metadata, 2.4), or name a foreign
// host or origin, and are refused. No answer is kept, or taken for another type.
func guard(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		for _, site := range r.Header.Values("Sec-Fetch-Site") {
			if site != "same-origin" && site != "none" {
				http.Error(w, "not from pages of another site", http.StatusForbidden)
				return
			}
		}
		if token != "" {
			if subtle.ConstantTimeCompare([]byte(bearer(r)), []byte(token)) != 1 {
				http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
				return
			}
		} else if host, _, err := net.SplitHostPort(r.Host); err != nil || !Loopback(strings.Trim(host, "[]")) || r.Header.Get("Origin") != "" {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer is the token that a request bears; empty: none.
func bearer(r *http.Request) string {
	scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
		return ""
	}
	return strings.TrimSpace(sent)
}

// Loopback reports whether a host is this machine by name or address.
func Loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
