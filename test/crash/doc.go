// Package crash loads the real program over a real Kafka, breaks what can break
// under it, and compares: every acknowledged event is in its topic exactly once,
// in order per key, or was withheld because its subject withdrew.
//
// Clients send as SDKs do: an event whose answer was lost is sent again under the
// same message id until it is acknowledged, so it too must be there once.
// ROUNDS and SEED in the environment make TestCrashes longer or repeat it.
package crash
