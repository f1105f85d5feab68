package engine

// Wire carries messages between the ranks. All of its methods are called by one
// goroutine, locked to one thread of the system; none of them waits for another rank,
// but Close.
type Wire interface {
	Rank() int
	Size() int
	// Alloc returns memory that messages may lie in, and Free gives it back.
	Alloc(n int) ([]byte, error)
	Free(b []byte)
	// Start begins to carry a set of messages. Between two ranks, messages of one tag
	// arrive in the order in which they were started. The memory belongs to the wire
	// until Done has returned true.
	Start(messages []Message) (Transfer, error)
	// Note sends a short text to a rank, or does nothing while the last one to it is on
	// its way. Noted returns one that has come, or nil.
	Note(to int, text []byte) error
	Noted() ([]byte, error)
	// Abort ends all processes of the job. It need not return.
	Abort(code int)
	// Close leaves the job; all ranks do.
	Close() error
}

// Message is what one rank sends to another, or expects of it: exactly len(Data) bytes.
type Message struct {
	Peer int
	Send bool
	Tag  int // below TagLimit
	Data []byte
}

// TagLimit is the number of tags that every MPI has for us.
const TagLimit = 32000

// MaxNote is the greatest length of a note in bytes.
const MaxNote = 1024

// Transfer is a set of messages on its way.
type Transfer interface {
	// Done says whether all of them have been carried.
	Done() (bool, error)
}
