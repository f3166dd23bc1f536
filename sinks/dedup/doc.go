// Package dedup remembers the IDs of the last events that were stored, so that
// one which is sent again, because its answer was lost, is stored once.
//
// The window is bounded by count, and fair: where it is full, the source that
// holds the most gives up its oldest ID, so that nobody's flood takes another
// source's. In memory it is an array of IDs with a queue through it for each
// source and an index of positions over it, 36 bytes an ID and nothing that the
// garbage collector follows. On disk it is
//
//	DIR/.lock                 held while a window is open
//	DIR/<16 hex digits>.ids   entries, of each source oldest first; names ascend
//
//	entry: ID 16 bytes, CRC-32C of them 4 bytes little-endian
//
// Entries are appended only and each stands for itself: damage costs the IDs it
// hits and no others. After as many entries as the window may hold, and when it is
// opened, the next file begins with the window as it is and the older ones are
// removed: the files never hold more than twice the window, but for that moment.
// IDs of events that wait in a journal need not be here, because the journal gives
// them back when it is opened.
package dedup
