//go:build linux

package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// accepts runs assent check and wants it content, or else to say why not.
func accepts(t *testing.T, complaint string, args ...string) {
	t.Helper()
	c := exec.Command(binary, append([]string{"check"}, args...)...)
	c.Dir = root
	out, err := c.CombinedOutput()
	if (err == nil) != (complaint == "") || !strings.Contains(string(out), complaint) {
		t.Errorf("assent check %v: %v: want complaint %q, got\n%s", args, err, complaint, out)
	}
}

func TestExamples(t *testing.T) {
	// As it is, the example holds a secret that everybody has and can read.
	accepts(t, "secrets/shop-backend.token", "-c", "deploy/assent.yaml")
	own := t.TempDir()
	if err := os.CopyFS(own, os.DirFS(filepath.Join(root, "deploy"))); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(own, "secrets", "shop-backend.token")
	if err := os.Chmod(token, 0o600); err != nil {
		t.Fatal(err)
	}
	accepts(t, "is the example's", "-c", filepath.Join(own, "assent.yaml"))
	if err := os.WriteFile(token, []byte(strings.Repeat("secret", 8)), 0o600); err != nil {
		t.Fatal(err)
	}
	accepts(t, "", "-c", filepath.Join(own, "assent.yaml"))
	policies, err := filepath.Glob(root + "/deploy/policies/*.yaml")
	if err != nil || len(policies) < 2 {
		t.Fatalf("found policies %v, %v", policies, err)
	}
	for _, p := range policies {
		accepts(t, "", "-p", "deploy/policies/"+filepath.Base(p))
	}
}

// TestDocumentedPolicy: the policy that docs/policy.md teaches with is one.
func TestDocumentedPolicy(t *testing.T) {
	_, rest, found := strings.Cut(read(t, "docs/policy.md"), "```yaml\n")
	example, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatal("docs/policy.md shows no policy")
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	accepts(t, "", "-p", path)
}

// TestExamplesAreRead shows that acceptance means something: each example with
// one mistake in it is refused.
func TestExamplesAreRead(t *testing.T) {
	f := func(name, old, mistake, complaint, flag string) {
		t.Helper()
		text := read(t, name)
		if !strings.Contains(text, old) {
			t.Fatalf("%s holds no %q", name, old)
		}
		bad := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(bad, []byte(strings.Replace(text, old, mistake, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		accepts(t, complaint, flag, bad)
	}
	f("deploy/assent.yaml", "trust:", "trusts:", "trusts", "-c")
	f("deploy/assent.yaml", "listen: 127.0.0.1:8080", "listen: 127.0.0.1:8080\ndemo: true", "remove demo", "-c")
	f("deploy/assent.yaml", "kind: web", "kind: wob", "wob", "-c")
	f("deploy/policies/shop.yaml", "basis: contract", "basis: contact", "contact", "-p")
	f("deploy/policies/strict.yaml", `why: "Finds the order"`, `because: "Finds the order"`, "because", "-p")
}

// TestUnit: the unit is hardened, and systemd understands it where there is one
// to ask.
func TestUnit(t *testing.T) {
	unit := read(t, "deploy/systemd/assent.service")
	for _, line := range []string{
		"DynamicUser=yes", "StateDirectory=assent", "ProtectSystem=strict", "NoNewPrivileges=yes",
		"MemoryDenyWriteExecute=yes", "SystemCallFilter=@system-service", "CapabilityBoundingSet=",
		"ExecReload=/bin/kill -HUP $MAINPID", "ExecStart=/usr/local/bin/assent serve -c /etc/assent/assent.yaml",
	} {
		if !slices.Contains(strings.Split(unit, "\n"), line) {
			t.Errorf("the unit lacks %s", line)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("no systemd-analyze here to ask: the unit's lines are checked alone")
		return
	}
	here := filepath.Join(t.TempDir(), "assent.service")
	if err := os.WriteFile(here, []byte(strings.ReplaceAll(unit, "/usr/local/bin/assent", binary)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", here},
		{"security", "--offline=yes", "--threshold=15", here}, // tenths of an exposure level; 100 is a plain service
	} {
		if out, err := exec.Command(analyze, args...).CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestDockerfile checks what can be checked without a container engine: the last
// stage, and that it builds what TestAlone runs.
func TestDockerfile(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM `).Split(text, -1)
	last := stages[len(stages)-1]
	for _, want := range []string{
		`\Ascratch\n`, `(?m)^USER \d+:\d+$`, `(?m)^VOLUME /data$`, `(?m)^ENTRYPOINT \["/assent"\]$`,
		`(?m)^HEALTHCHECK .*CMD \["/assent", "healthcheck"\]$`, `(?m)^COPY --from=build --chown=65532:65532 /out/data /data$`,
	} {
		if !regexp.MustCompile(want).MatchString(last) {
			t.Errorf("the last stage does not match %s", want)
		}
	}
	if strings.Contains(last, "\nRUN ") {
		t.Error("the last stage runs a command: scratch has nothing to run")
	}
	if !strings.Contains(text, `CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=`) {
		t.Error("the build stage does not build the static binary")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
