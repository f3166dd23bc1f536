package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
)

func healthcheckCommand() *cobra.Command {
	var url, path string
	var flags config
	c := &cobra.Command{
		Use: "healthcheck", Short: "Ask a running Assent whether it is ready (for containers)",
		Long: `Asks the admin listener of a running Assent for /readyz: where the config file, ASSENT_ADMIN and --admin say, in
the order of serve, and with the token of admin.token_file.`,
		Example: "  assent healthcheck\n  assent healthcheck -c assent.yaml\n  assent healthcheck --url http://127.0.0.1:8081/readyz", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := loadConfig(path, &flags)
			if err != nil {
				return err
			}
			if url == "" {
				if url, err = readyURL(cfg.Admin.Listen); err != nil {
					return err
				}
			}
			return askReady(url, cfg.Admin.TokenFile)
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file` of the running Assent")
	f.StringVar(&flags.Admin.Listen, "admin", "", "admin `address` (default 127.0.0.1:8081)")
	f.StringVar(&url, "url", "", "where to ask, above file, variable and --admin (default: /readyz of the admin address)")
	return c
}

// readyURL is where a listener answers from its own machine: one on every address
// answers on loopback too.
func readyURL(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %q is not host:port", listen)
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr == netip.IPv4Unspecified():
		host = "127.0.0.1"
	case err == nil && addr == netip.IPv6Unspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz", nil
}

func askReady(url, tokenFile string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	if tokenFile != "" {
		token, err := secretFile(tokenFile)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %d", resp.StatusCode)
	}
	return nil
}
