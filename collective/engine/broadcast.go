package engine

// broadcastPart is a part of a broadcast. A short one goes from the root to all ranks. Of a long one
// piece i goes to rank i, which sends it on to all others: so the root sends the data at most twice,
// not once to each rank.
type broadcastPart struct {
	o      *operation
	data   []byte
	direct bool
	tags   tags

	send, receive []byte
	transfer      Transfer
	passing       bool // the pieces are being sent on
}

func newBroadcast(data []byte, root, ranks int) *operation {
	o := newOperation(kindBroadcast, len(data), root)
	if len(data) <= directBytes {
		o.parts = []part{&broadcastPart{o: o, data: data, direct: true}}
		return o
	}
	for most := cut(len(data), 1, ranks); len(data) > 0; {
		n := min(most, len(data))
		o.parts = append(o.parts, &broadcastPart{o: o, data: data[:n]})
		data = data[n:]
	}
	return o
}

func (b *broadcastPart) of() *operation { return b.o }

// piece returns the piece that a rank sends on.
func (b *broadcastPart) piece(e *engine, rank int) []byte {
	if b.direct {
		return b.data
	}
	return b.data[rank*len(b.data)/e.size : (rank+1)*len(b.data)/e.size]
}

func (b *broadcastPart) begin(e *engine) (err error) {
	b.tags = e.nextTags(b.o)
	var messages []Message
	if e.rank == b.o.root {
		if b.send, err = e.buffers.get(e.wire, len(b.data)+e.size*headerSize); err != nil {
			return err
		}
		at := 0
		for r := range e.size {
			out := b.send
			if !b.direct {
				out = b.send[at:]
			}
			putHeader(out, b.o)
			n := headerSize + copy(out[headerSize:], b.piece(e, r))
			at += n
			if r != e.rank {
				messages = append(messages, Message{Peer: r, Send: true, Tag: b.tags.step(0), Data: out[:n]})
			}
		}
	} else {
		if b.receive, err = e.buffers.get(e.wire, headerSize+len(b.data)); err != nil {
			return err
		}
		piece := b.receive[:headerSize+len(b.piece(e, e.rank))]
		messages = []Message{{Peer: b.o.root, Tag: b.tags.step(0), Data: piece}}
	}
	b.transfer, err = e.start(messages)
	return err
}

func (b *broadcastPart) advance(e *engine) (progress, done bool, err error) {
	if done, err = b.transfer.Done(); err != nil || !done {
		return false, false, err
	}
	root := e.rank == b.o.root
	if b.passing {
		if !root {
			b.collect(e)
		}
		return true, true, nil
	}
	if !root {
		if _, err = e.checkHeader(b.receive, b.o, b.o.root); err != nil {
			return false, false, err
		}
		copy(b.piece(e, e.rank), b.receive[headerSize:])
	}
	if b.direct {
		return true, true, nil
	}
	b.passing = true
	return true, false, b.pass(e)
}

// pass sends the piece of this rank to all ranks that do not have it, and receives theirs.
func (b *broadcastPart) pass(e *engine) (err error) {
	mine := b.piece(e, e.rank)
	if b.send == nil {
		if b.send, err = e.buffers.get(e.wire, len(mine)); err != nil {
			return err
		}
	}
	copy(b.send, mine)
	var messages []Message
	for i := range e.size - 1 {
		to, from := (e.rank+i+1)%e.size, (e.rank+e.size-i-1)%e.size
		if e.rank != b.o.root {
			messages = append(messages, Message{Peer: from, Tag: b.tags.step(1), Data: b.landing(e, from)})
		}
		if to != b.o.root {
			messages = append(messages, Message{Peer: to, Send: true, Tag: b.tags.step(1), Data: b.send[:len(mine)]})
		}
	}
	b.transfer, err = e.start(messages)
	return err
}

// landing returns the memory where the piece of another rank arrives.
func (b *broadcastPart) landing(e *engine, rank int) []byte {
	return b.receive[rank*len(b.data)/e.size : (rank+1)*len(b.data)/e.size]
}

func (b *broadcastPart) collect(e *engine) {
	for r := range e.size {
		if r != e.rank {
			copy(b.piece(e, r), b.landing(e, r))
		}
	}
}

func (b *broadcastPart) release(e *engine) {
	e.buffers.put(b.send)
	e.buffers.put(b.receive)
}
