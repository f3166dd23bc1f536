// Package policy says what is allowed. It turns the document a person wrote into
// the program that judges every event, and explains each judgement by running
// that same program.
//
//	document  →  Parse    every problem at once, with line and column
//	          →  Compile  Policy: one redact.Program per recipient, a Regime per
//	                      place and time, masks of 64 bits
//	event     →  Regime   the law of the place and of the controller, today
//	          →  Decide   basis, law and choice as one mask; a Plan per recipient
//	          →  Plan.Append  the bytes that recipient may have
//	record that waited  →  Rejudge  what is on record now; a Plan never wider
//
// The mask has a bit for each purpose, a second one for each legitimate interest
// that some field on the device rests on, and one for each sensitive category.
// Law and choice act through this mask alone, so that fewer grants can never
// yield more.
//
// The law is data (regimes.yaml): rows with places, days and what they make of
// each basis. Several rows hold together, rule by rule; where none holds, or the
// place is not known, the strictest does.
//
// Files in layers, none uses a later one: document.go (with retention.go) the
// vocabulary; reader.go, form.go, table.go, layout.go, check.go, parse.go, against.go
// from text to a document that stands; regime.go, route.go, compile.go the program;
// decide.go, rejudge.go the judgement; explain_purpose.go, explain_field.go,
// explain.go, explain_text.go the same in words.
//
// The package is pure: no clock, disk, logger or goroutine. Whatever it is not
// given (a resolution, a regime, an audience) it answers strictly.
package policy
