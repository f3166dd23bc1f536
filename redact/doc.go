// Package redact copies of one JSON event what rules and a mask of grants let
// through. It knows no law. A purpose is a bit, and who may set it is the caller's
// affair.
//
//	rules ── Compile ──► Program          once per recipient; immutable
//	event ── Program.Append ──► event     once per event and recipient; one pass
//	event ── Finder.Find ──► spans        the few values a decision needs first
//
// # What is accepted
//
// Exactly one JSON object (RFC 8259), in UTF-8, no byte order mark, surrogate
// escapes only in pairs, at most MaxDepth deep and MaxSize long. All of it is
// validated, also what is left out, so that no reader downstream can take the
// output for something else. Anything less is a *SyntaxError, and nothing is
// emitted. Repeated keys are no error: each is judged by itself.
//
// # What is kept
//
// Only what a rule names. The rule with the path that leads furthest decides:
//
//   - A path names a scalar or an array of scalars. An object found there, or
//     in that array, is undeclared. So is a scalar or array where only longer
//     paths are declared.
//   - A path that ends in ".*" names all of an object. Inside, a path of its
//     own takes over where it leads: a value of another shape there, or on the
//     way there, is undeclared and does not fall back to the open rule.
//   - "[]" leads into arrays, element by element. "a" and "a[]" may both be
//     declared; the latter then judges the elements.
//   - "a" and "a.b" may both be declared: a scalar goes by the first, an object
//     is stepped into.
//
// Kept numbers, strings and keys stay as they were sent, byte for byte; a key
// is matched by what it stands for ("em\u0061il" is "email"). Order stays.
// Whitespace between tokens goes.
//
// A container of which nothing is left is left out. One that came empty is kept
// if the rule for what it could hold keeps it. The event itself is always an
// object, "{}" if need be.
//
// # In which form
//
// A rule's test gives one of three forms: kept, otherwise, dropped. Keep reduces
// whatever is kept; the otherwise form is made from the kept one, Else.Do after
// Keep. Hence it never tells more than the kept form, fewer grants never yield
// more, and judging again under fewer grants gives, byte for byte, what judging
// at once under those would have given. A value that an action does not
// understand is dropped. Under ".*" an action is applied to each scalar, and
// keys stay: an open object whose keys identify somebody needs another rule.
//
// Judging again, Was holds what was allowed the first time. An action is applied
// only where the form was kept and now is otherwise; equal forms pass untouched;
// nothing widens.
//
// # What is counted
//
// Tally.Kept counts scalars and empty containers emitted, Removed the members
// and elements left out, each under the category of the rule that decided or 0
// if there was none. What is dropped as a whole, because no path leads further
// into it, is one. A container left out because nothing in it stayed is not
// counted again. An offer emitted is kept; one not emitted is nothing.
package redact
