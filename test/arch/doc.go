// Package arch holds the rules of the house as tests: who imports whom, which
// package alone knows a heavy dependency, what a pure package must not touch, how
// large a function, a file and a package may be, whose files form no circle, where
// links of pages lead. Each rule carries its reason, and a failure says it.
//
// The source files themselves are read, whatever their build tags, so that a rule
// holds on every platform and for code that does not compile yet.
package arch
