package engine

// Wire carries messages between the ranks. One goroutine, locked to one thread of the system, calls
// all its methods. None of them waits for another rank, except Close.
type Wire interface {
	Rank() int
	Size() int
	// Alloc returns memory for messages, and Free gives it back.
	Alloc(n int) ([]byte, error)
	Free(b []byte)
	// Start begins to carry a set of messages. Between two ranks, messages with the same tag
	// arrive in the order in which they were started. The memory belongs to the wire until Done
	// has returned true.
	Start(messages []Message) (Transfer, error)
	// Note sends a short text to a rank. It does nothing while the last one to this rank is on
	// its way. Noted returns a text that has arrived, or nil.
	Note(to int, text []byte) error
	Noted() ([]byte, error)
	// Abort ends all processes of the job. It need not return.
	Abort(code int)
	// Close leaves the job. All ranks call it.
	Close() error
}

// Message is what one rank sends to another, or expects from it: exactly len(Data) bytes.
type Message struct {
	Peer int
	Send bool
	Tag  int // below TagLimit
	Data []byte
}

// TagLimit is how many tags there are: MPI guarantees tags up to 32767.
const TagLimit = 32000

// MaxNote is the largest length of a note in bytes.
const MaxNote = 1024

// Transfer is a set of messages on their way.
type Transfer interface {
	// Done says whether all of them have arrived or left.
	Done() (bool, error)
}
