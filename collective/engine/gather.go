package engine

// gatherBytes is how much a rank receives at a time while it gathers.
const gatherBytes = 32 << 20

// gatherPart is a whole gathering: first the lengths, then the data of all ranks, some bytes of each
// at a time. A barrier is a gathering without data.
type gatherPart struct {
	o    *operation
	data []byte
	all  [][]byte
	tags tags

	send, receive []byte
	transfer      Transfer
	counted       bool
	at, chunk     int // of every rank's data: how much has arrived, and how much travels at a time
}

func newGather(data []byte, ranks int) (*operation, [][]byte) {
	o := newOperation(kindGather, len(data), 0)
	all := make([][]byte, ranks)
	o.parts = []part{&gatherPart{o: o, data: data, all: all}}
	return o, all
}

func newBarrier() *operation {
	o := newOperation(kindBarrier, 0, 0)
	o.parts = []part{&gatherPart{o: o}}
	return o
}

// newQuiet is a barrier after which the ranks send no notes.
func newQuiet() *operation {
	o := newBarrier()
	o.kind = kindQuiet
	return o
}

// newLeave returns the operation that ends the group. It sends no message.
func newLeave() *operation { return newOperation(kindLeave, 0, 0) }

func (g *gatherPart) of() *operation { return g.o }

func (g *gatherPart) begin(e *engine) (err error) {
	g.tags = e.nextTags(g.o)
	g.chunk = gatherBytes / e.size &^ 7
	if g.send, err = e.buffers.get(e.wire, max(headerSize, min(len(g.data), g.chunk))); err != nil {
		return err
	}
	if g.receive, err = e.buffers.get(e.wire, e.size*headerSize); err != nil {
		return err
	}
	putHeader(g.send, g.o)
	var messages []Message
	for i := range e.size - 1 {
		to, from := (e.rank+i+1)%e.size, (e.rank+e.size-i-1)%e.size
		messages = append(messages,
			Message{Peer: from, Tag: g.tags.step(0), Data: g.receive[from*headerSize:][:headerSize]},
			Message{Peer: to, Send: true, Tag: g.tags.step(0), Data: g.send[:headerSize]})
	}
	g.transfer, err = e.start(messages)
	return err
}

func (g *gatherPart) advance(e *engine) (progress, done bool, err error) {
	if done, err = g.transfer.Done(); err != nil || !done {
		return false, false, err
	}
	if !g.counted {
		if err = g.count(e); err != nil {
			return false, false, err
		}
	} else {
		g.collect(e)
	}
	more, err := g.next(e)
	return true, !more, err
}

// count makes room for the data of all ranks.
func (g *gatherPart) count(e *engine) error {
	g.counted = true
	most := 0
	for r := range e.size {
		n := len(g.data)
		if r != e.rank {
			var err error
			if n, err = e.checkHeader(g.receive[r*headerSize:], g.o, r); err != nil {
				return err
			}
		}
		if g.o.kind == kindGather {
			g.all[r] = make([]byte, n)
			most = max(most, n)
		}
	}
	if g.o.kind == kindGather {
		copy(g.all[e.rank], g.data)
	}
	e.buffers.put(g.receive)
	var err error
	g.receive, err = e.buffers.get(e.wire, e.size*min(most, g.chunk))
	return err
}

// next sends the next bytes, if any rank has some left.
func (g *gatherPart) next(e *engine) (more bool, err error) {
	var messages []Message
	slot := len(g.receive) / e.size
	mine := g.section(g.data)
	copy(g.send, mine)
	for i := range e.size - 1 {
		to, from := (e.rank+i+1)%e.size, (e.rank+e.size-i-1)%e.size
		if g.all != nil {
			if n := len(g.section(g.all[from])); n > 0 {
				messages = append(messages, Message{Peer: from, Tag: g.tags.step(1), Data: g.receive[from*slot:][:n]})
			}
		}
		if len(mine) > 0 {
			messages = append(messages, Message{Peer: to, Send: true, Tag: g.tags.step(1), Data: g.send[:len(mine)]})
		}
	}
	if len(messages) == 0 {
		return false, nil
	}
	g.transfer, err = e.start(messages)
	return true, err
}

// section returns the part of a rank's data that travels now.
func (g *gatherPart) section(data []byte) []byte {
	if g.at >= len(data) {
		return nil
	}
	return data[g.at:min(g.at+g.chunk, len(data))]
}

func (g *gatherPart) collect(e *engine) {
	slot := len(g.receive) / e.size
	for r := range e.size {
		if r != e.rank {
			copy(g.section(g.all[r]), g.receive[r*slot:])
		}
	}
	g.at += g.chunk
}

func (g *gatherPart) release(e *engine) {
	e.buffers.put(g.send)
	e.buffers.put(g.receive)
}
