// Package strictyaml reads YAML into trees whose every value knows its place, and
// reports what is wrong with a document in words for the person who writes it.
//
// It is all of YAML that the house knows: Parse turns a document into Nodes, the
// methods of Node add what they did not expect to a Report,
// and reading goes on. Unknown keys, keys that come twice, and numbers and truth
// values in quotes are mistakes; nothing is converted.
package strictyaml
