// Package dedup remembers the IDs of the last events that were stored, so that
// one which is sent again, because its answer was lost, is stored once.
//
// The window is bounded by count: the oldest ID makes room for the newest. In
// memory it is a ring of IDs and an index of positions over it, 32 bytes an ID
// and nothing that the garbage collector follows. On disk it is
//
//	DIR/.lock                 held while a window is open
//	DIR/<16 hex digits>.ids   entries, oldest first; names ascend
//
//	entry: ID 16 bytes, CRC-32C of them 4 bytes little-endian
//
// Entries are appended only and each stands for itself: damage costs the IDs it
// hits and no others. A file holds as many entries as the window IDs, then the
// next one begins and the one before the last is removed. IDs of events that
// wait in a journal need not be here, because the journal gives them back when
// it is opened.
package dedup
