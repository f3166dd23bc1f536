// Package collector is the HTTP edge and the one road of an event:
//
//	receive → locate → consent → decide → redact → seal → commit → answer
//
// pipeline.go is that list as Go. A dialect builds events from a body and
// phrases the answer; it never judges. Raw bytes end at redact: what follows
// it holds only what a plan let through.
//
// This is the only package that imports fasthttp, and nothing of a fasthttp
// request outlives its handler: the handler returns after Commit, and Commit
// does not keep the batch's memory.
package collector
