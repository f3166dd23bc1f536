package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"assent/test/program"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestCrashes kills the program at random instants under load, while it starts as
// well, ROUNDS times on the same data (10 by default).
func TestCrashes(t *testing.T) {
	t.Parallel()
	rounds, seed := setting(t, "ROUNDS", 10), setting(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	some := func(most time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
	s := newStand(t, sharedBroker(t))
	l := startLoad(s.url, "c", seed, 8, 4*time.Millisecond)
	begun := time.Now()
	kills := 0
	for round := range rounds {
		if r.IntN(4) == 0 {
			program.KilledWhileStarting(t, some(150*time.Millisecond), s.data, s.args...)
			kills, s.starts = kills+1, s.starts+1
		}
		s.start()
		time.Sleep(some(time.Second))
		t.Logf("kill %d, %s after the start", kills, time.Since(begun))
		s.p.Kill()
		kills++
		if rounds > 10 && (round+1)%10 == 0 {
			fmt.Printf("round %d of %d, %s: %d events acknowledged, %d requests repeated\n",
				round+1, rounds, time.Since(begun).Round(time.Second), l.acked.Load(), l.retried.Load())
		}
	}
	s.start()
	v := s.settle(l)
	if rounds > 10 {
		fmt.Printf("\n| rounds | kills | starts | events acknowledged | lost | doubled | out of order | withheld | requests repeated | seed |\n"+
			"|---|---|---|---|---|---|---|---|---|---|\n| %d | %d | %d | %d | %d | %d | %d | %d | %d | %d |\n",
			rounds, kills, s.starts, v.acked, v.lost, v.doubled, v.disordered, v.withheld, l.retried.Load(), seed)
	}
}
