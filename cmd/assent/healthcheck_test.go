package main

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assent/admin"
)

// TestHealthcheckReadsTheConfiguration: the address of file, variable and flag, in
// that order, and the token.
func TestHealthcheckReadsTheConfiguration(t *testing.T) {
	operators := admin.New(admin.Options{
		Token: strings.TrimSpace(enough), Log: slog.New(slog.DiscardHandler), About: func() map[string]string { return nil },
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go operators.Serve(ln)
	defer operators.Shutdown(t.Context())
	address := ln.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), enough, 0o600)
	config := func(name, listen string) string {
		return write(t, filepath.Join(dir, name), "admin: {listen: '"+listen+"', token_file: token}\n", 0o600)
	}
	right, wrong := config("right.yaml", address), config("wrong.yaml", "127.0.0.1:1")
	every := config("every.yaml", "0.0.0.0:"+port)
	f := func(variable string, code int, args ...string) {
		t.Helper()
		t.Setenv("ASSENT_ADMIN", variable)
		if got := run(append([]string{"healthcheck"}, args...)); got != code {
			t.Errorf("with %q, %v: exit %d, want %d", variable, args, got, code)
		}
	}
	f("", 0, "-c", right)
	f("", 0, "-c", every)
	f("", 1, "-c", wrong)
	f(address, 0, "-c", wrong)
	f("127.0.0.1:1", 0, "-c", wrong, "--admin", address)
	f("127.0.0.1:1", 0, "-c", wrong, "--url", "http://"+address+"/readyz")
	f("", 1, "-c", right, "--url", "http://"+address+"/other")
	f(address, 1) // without the token
	f("", 1, "-c", filepath.Join(dir, "none.yaml"))
	if err := os.Chmod(filepath.Join(dir, "token"), 0o644); err != nil {
		t.Fatal(err)
	}
	f("", 1, "-c", right)
	for listen, want := range map[string]string{":1": "http://127.0.0.1:1/readyz", "[::]:1": "http://[::1]:1/readyz", "[::1]:1": "http://[::1]:1/readyz", "admin.example:1": "http://admin.example:1/readyz"} {
		if got, err := readyURL(listen); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", listen, got, err, want)
		}
	}
}
