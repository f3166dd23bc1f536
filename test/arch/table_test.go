package arch

// wing is one package's place in the house. Patterns end in /* for each child
// folder, in /** for everything below. The first wing that matches holds.
type wing struct {
	pattern string
	may     []string // packages of this module that its program code may import
	pure    bool     // knows no clock, logger, goroutine, disk, network, randomness
	why     string
}

// wings is the import table of the house, from the top down. A package that
// matches none is refused: its place has to be decided and written here.
var wings = []wing{
	{"test/**", []string{"**"}, false, "tests may look at everything"},
	{"cmd/assent", []string{"**"}, false, "cmd wires all wings; only it knows every technology"},

	{"collector", []string{"policy", "consent", "consent/signals", "geo", "sinks", "redact", "keys", "metric", "names", "rate", "uuid7"}, false, "the edge uses types and contracts of the other wings, never a technology: cmd hands those in"},
	{"collector/dialect", []string{"collector", "redact"}, false, "a dialect builds events and phrases the answer; it never judges"},
	{"admin", nil, false, "the operators' listener knows no wing: health, metrics and handlers are functions that cmd hands in, so that a console cannot reach past them"},
	{"web/pages", []string{"collector", "policy", "consent", "consent/signals", "geo", "redact"}, false, "pages are handlers of the collector that show what the policy does"},

	{"policy", []string{"consent", "consent/signals", "geo", "redact", "names", "strictyaml"}, true, "a decision must be repeatable: explain, diff and re-judging run the same code on the same arguments"},
	{"rights", []string{"consent", "sinks"}, false, "rights work on contracts, so that they hold whatever the technology"},

	{"consent", []string{"keys", "names", "uuid7", "wire"}, true, "what somebody agreed to must be the same answer for the same arguments, in any place and at any time"},
	{"consent/signals", []string{"consent", "consent/tcf", "consent/gpp", "consent/cmp", "names", "redact"}, true, "what strangers say is judged by the same bytes and the same instant alike"},
	{"consent/tcf", []string{"consent/bitstring"}, true, codec},
	{"consent/gpp", []string{"consent/bitstring", "consent/tcf"}, true, codec},
	{"consent/bitstring", nil, true, codec},
	{"consent/cmp", nil, true, codec},
	{"consent/*", []string{"consent"}, false, adapter},

	{"geo", nil, true, leaf},
	{"geo/mmdb/gen", []string{"geo"}, false, "the generator is a program of its own"},
	{"geo/*", []string{"geo"}, false, adapter},

	{"sinks", []string{"redact", "names", "wire"}, false, "the contract of all sinks knows none of them; redact quotes its lines"},
	{"sinks/journal", []string{"sinks", "wal", "disk", "metric", "uuid7", "wire"}, false, "the journal is records kept in a log: it knows the contract on one side and the log on the other, never who forwards"},
	{"sinks/kafka", []string{"sinks", "metric", "wire"}, false, adapter},
	{"sinks/*", []string{"sinks", "disk", "metric"}, false, adapter},

	{"wal", []string{"disk", "metric"}, false, "a log of bytes knows nothing of what they mean, so that the ledger can stand on it too"},
	{"disk/disktest", []string{"disk"}, false, "the file system of tests can be cut off power; it is no program code"},
	{"disk", nil, false, "the little of a file system that durability depends on, so that tests can take its place"},

	{"keys", nil, true, leaf},
	{"names", nil, true, leaf},
	{"wire", nil, true, leaf},
	{"metric", nil, false, "one instrument for whoever counts; it knows none of them"},
	{"rate", nil, true, "buckets know no request and no clock: an instant is an argument, so that tests need not wait"},
	{"redact", nil, true, leaf},
	{"strictyaml", nil, true, leaf},
	{"uuid7", nil, true, leaf},
}

const (
	leaf    = "a leaf imports the standard library only: it is what everything else rests on"
	codec   = "a codec of foreign signals is a pure function of bytes and stands below its parent"
	adapter = "an adapter knows its parent and no other adapter: where two meet, cmd joins them through a contract"
)

// dependency is a module from outside with the packages that may import it.
type dependency struct {
	prefix string
	in     []string
	why    string
}

// dependencies lists every module that program code uses directly. Packages
// below test/ may use them all. One that is not here is refused: justify it here.
var dependencies = []dependency{
	{"github.com/valyala/fasthttp", []string{"collector"}, "nothing of a request's memory may leave the handler: one package to watch"},
	{"github.com/segmentio/kafka-go", []string{"sinks/kafka"}, "one package knows Kafka's protocol and its errors"},
	{"golang.org/x/net", []string{"collector"}, "international host names and the public suffix list are data that others keep"},
	{"golang.org/x/sys", []string{"disk", "test/**"}, "system calls that the standard library does not wrap"},
	{"github.com/oschwald/geoip2-golang", mmdb, "one package knows the database format"},
	{"github.com/oschwald/maxminddb-golang", mmdb, "one package knows the database format"},
	{"github.com/maxmind/mmdbwriter", mmdb, "only the generator and the fixtures write databases"},
	{"github.com/cockroachdb/pebble", []string{"consent/store"}, "the store is an index that can be rebuilt: replacing it must touch one package"},
	{"github.com/goccy/go-yaml", []string{"strictyaml"}, "YAML ends where documents become trees"},
	{"github.com/spf13/cobra", []string{"cmd/assent"}, "flags and usage are the command's own"},
	{"github.com/spf13/pflag", []string{"cmd/assent"}, "flags and usage are the command's own"},
	{"github.com/VictoriaMetrics/metrics", []string{"collector", "sinks", "sinks/*", "wal", "admin", "metric"}, "pure packages count nothing: they hand back tallies"},
	{"github.com/andybalholm/brotli", []string{"collector"}, compression},
	{"github.com/klauspost/compress", []string{"collector", "sinks/*", "geo/mmdb", "geo/mmdb/gen"}, compression},
}

var mmdb = []string{"geo/mmdb", "geo/mmdb/gen"}

const compression = "compression belongs where bytes come in, go out or are embedded"

// testDependencies may be imported by any test, and by program code only where
// dependencies says so.
var testDependencies = []string{
	"github.com/rogpeppe/go-internal",
	"pgregory.net/rapid",
	"github.com/chromedp",
	"github.com/goccy/go-yaml",              // docs/openapi.yaml as JSON
	"github.com/santhosh-tekuri/jsonschema", // answers against the schemas of docs/openapi.yaml
	"github.com/twmb/franz-go",              // kfake, a broker that errs on demand, and kmsg, a reading of the protocol by somebody else
}

// impure are the standard packages that a pure package must not import.
var impure = []struct {
	pattern string
	but     []string
	why     string
}{
	{"os/**", nil, "a pure package touches no disk, process or environment: take the bytes as an argument"},
	{"path/filepath", nil, "a pure package touches no disk: take the bytes as an argument"},
	{"syscall", nil, "a pure package asks the kernel for nothing"},
	{"net/**", []string{"net/netip", "net/url"}, "a pure package touches no network (net/netip and net/url hold values and are allowed)"},
	{"log/**", nil, "a pure package does not log: it returns an error or a tally"},
	{"math/rand/**", nil, chance},
	{"crypto/rand", nil, chance},
}

const chance = "randomness comes as an argument: the same arguments give the same answer"

// clock are the functions of package time that read the clock or wait for it.
var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true,
	"AfterFunc": true, "Tick": true, "NewTimer": true, "NewTicker": true,
}

// refusedNames are folder names that say nothing about what is inside.
var refusedNames = []string{"internal", "pkg", "util", "utils", "common", "helper", "helpers", "types", "models", "misc", "shared", "lib"}

const (
	maxLines     = 500  // of a program file
	maxTestLines = 1000 // a table of cases may be long
	maxFiles     = 20   // of a package
)

// What a bound counts.
const (
	functionLines = "lines a function"
	parameters    = "parameters a function"
	packageFiles  = "files a package"
)

// bounds are the numbers that program code keeps, with what does not keep them yet.
// An exception holds today's number, so that it can only become smaller: the test
// fails when it could.
var bounds = []*bound{
	{functionLines, 60, "give its steps names", map[string]int{
		"redact.containerEnd":         73,
		"redact.scan.object":          84,
		"test/crash.check":            69,
		"test/kafka.Broker.configure": 65,
		"test/load/outage.run":        63,
	}},
	{parameters, 5, "what travels together is a struct", map[string]int{
		"redact.find":               6,
		"redact.scan.close":         6,
		"redact.scan.container":     6,
		"sinks/journal.appendEvent": 6,
		"test/load.run":             6,
	}},
	{packageFiles, maxFiles, "a package of so many nouns is two: take out what knows the rest the least", map[string]int{
		"cmd/assent": 31, // a file a command
		"collector":  35,
	}},
}
